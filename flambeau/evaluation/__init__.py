"""How good the answers are: metrics with intervals, and the report."""
