"""The lab: everything to make and study models.  Needs PyTorch: ``pip install impasto[lab]``."""

from impasto.errors import ImpastoError

try:
    import torch as _torch
except ModuleNotFoundError as error:  # pragma: no cover - the test machine has it
    raise ImpastoError("impasto.lab needs PyTorch; pip install 'impasto[lab]'") from error

__all__: list[str] = []
del _torch
