"""The models that this installation knows, what each can do, and the prompt templates: all data."""
