"""The gRPC role: `app` builds it from `parts`, and `services` answer the calls.

A call passes the `interceptors`, then one method of a service. `validation` checks the request, one
of `commands` decides, and `mapping` makes the answer; a watch runs in `watch`. `http` is a second,
small process for media.
"""
