"""Our compact networks, `fast` and `quality`, and the code specific to them."""
