"""Our compact networks, `fast` and `quality`, and all that only they need."""
