"""One file for each target of export; every exporter gives back a runner, so every target can be verified."""
