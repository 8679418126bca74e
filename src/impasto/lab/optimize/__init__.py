"""Methods that paint by optimization."""
