"""The HTTP role: a small process that serves the bytes of local blobs by signed addresses.

`app` holds the routes, `media` answers for one item, `serve` owns the socket and the signals.
"""
