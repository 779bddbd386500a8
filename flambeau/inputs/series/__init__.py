"""Time series on the host side: values of any kind, gaps, statistics. No torch."""
