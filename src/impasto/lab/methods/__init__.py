"""Methods, one file per paper, independent of each other."""

from impasto.lab import require_torch

require_torch()  # the studio enters here, by the name of a method
