"""The models that this installation knows, their abilities, and the prompt templates: all data."""
