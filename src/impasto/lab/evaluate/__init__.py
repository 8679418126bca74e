"""The yardstick, `impasto lab evaluate`.

``pairs`` draws pairs, ``painters`` paint them, ``pictures`` and ``features`` measure, ``run``
collects the lines, ``report`` and ``sheets`` present them.  (The few numbers on a model card come
from ``export.scores``.)
"""
