"""A model behind HTTP, without torch."""
