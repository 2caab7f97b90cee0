"""Looks at the bytes of a file: its type, its size, its Content Credentials."""
