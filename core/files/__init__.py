"""What the bytes of a file are: its type, its size, its Content Credentials."""
