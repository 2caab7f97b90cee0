"""HTTP for the adapters: it sends a call once, and reads an answer piece by piece."""
