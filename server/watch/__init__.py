"""Watching: everything above a revision from memory or the database, then what happens, live.

`calls` starts a watcher per call, `watcher` is one open stream, `frames` its bytes; `hub` fills the
feeds of this process, `feed` holds one user's events in order.
"""
