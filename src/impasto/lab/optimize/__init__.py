"""Methods that paint by optimization."""

from impasto.lab import require_torch

require_torch()  # the studio enters here, by the name of a method
