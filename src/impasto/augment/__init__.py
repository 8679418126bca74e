"""Style as an augmentation: a transform for the pictures that a network is trained on."""

from impasto.augment.stylize import Stylize

__all__ = ["Stylize"]
