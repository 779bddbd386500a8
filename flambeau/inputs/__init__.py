"""One file for each modality: what happens to a raw value before the network sees it."""
