"""How good is a model: the yardstick.

``scores`` is the short one that goes into a card; all the rest is `impasto lab evaluate`:
``pairs`` draws, ``painters`` paint, ``pictures`` and ``features`` measure, ``run`` puts the lines
together, ``report`` and ``sheets`` show them.
"""

from impasto.lab.export.scores import Scores, evaluate, held_out_pairs

__all__ = ["Scores", "evaluate", "held_out_pairs"]
