"""The training loop as a generator of steps, and what watches it."""
