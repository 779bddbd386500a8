"""From a raw text to the words that a network learns from: clean, segment, look up."""
