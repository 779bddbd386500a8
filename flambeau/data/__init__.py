"""How raw examples come in, are cleaned, split, cached and batched."""
