"""One file for each task: between a raw target value, what a network is trained on, and an answer."""
