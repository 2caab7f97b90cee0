"""The HTTP role: bytes of local blobs by signed addresses, and streams for browsers without gRPC.

`app` holds the routes, `serve` owns the socket and the signals. `media` answers for one item.
`streams` are watches as server-sent events (`sse`), which `watching` keeps up at the `servers`.
`tickets` let a page open one.
"""
