"""Films in container files, through PyAV: read, encoded in parts, joined, written into pipes."""
