"""Sound on the host side: decode, resample, cut to length. No torch."""
