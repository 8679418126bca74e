"""One paper, one file; none knows another."""
