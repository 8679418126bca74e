"""One paper, one file; none knows another."""

from impasto.lab import require_torch

require_torch()  # the studio comes in here, by the name of a method
