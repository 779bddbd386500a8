"""A finished model as plain PyTorch files that need nothing of this package."""
