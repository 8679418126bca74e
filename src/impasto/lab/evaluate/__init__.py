"""The yardstick, `impasto lab evaluate`.

``pairs`` draws, ``painters`` paint, ``pictures`` and ``features`` measure, ``run`` puts the lines
together, ``report`` and ``sheets`` show them.  (The few numbers on a card are ``export.scores``.)
"""
