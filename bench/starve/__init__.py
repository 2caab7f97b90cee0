"""What one user's flood of each call of the service does to other users.

`cells` makes the floods from the descriptors, `place` starts everything, `others` are the users who
go on meanwhile, and `__main__` measures.
"""
