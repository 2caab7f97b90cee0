"""Watching: a watcher first gets everything above a revision, then what happens, live.

`calls` serves each call, `watcher` is one open stream, `query` what it asks for. The `hub` tails
the event stream and hands its rows to the feeds. A `feed` holds one user's durable changes as
`lines` in order, and fills itself through the `reader`; `progress` is what it knows of unfinished
jobs. `places` reads where jobs wait in their queues. `frames` makes the bytes of responses.
"""
