"""Watching: everything above a revision from memory or the database, then what happens, live.

`feed` holds one user's events in order, `hub` fills the feeds of this process, `watcher` is one
open stream, `frames` its bytes.
"""
