"""The gRPC role: `app` builds it, `service` answers, `commands` decide, `mapping` translates.

A call passes `interceptors`, one method of `service`, `validation`, one command and `mapping`.
"""
