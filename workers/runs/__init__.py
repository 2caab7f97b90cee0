"""A job's run: claim, submit once, fetch, store the result."""
