"""What the server and the workers share; it knows no gRPC and no protobuf.

Truth lives in `store` (the database), bytes in `blobs`; `stream` and `queue` only carry hints.
"""
