"""The part of preprocessing that is exported with the network, as torch modules."""
