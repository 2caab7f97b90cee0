"""Other systems under the same load: `systems` of live events, and `queues` of jobs.

They are installed by `make bench-setup`, in an environment of their own, and run as programs.
"""
