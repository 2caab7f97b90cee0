"""What a long history costs: a database is filled, and each call is measured on it."""
