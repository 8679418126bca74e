"""A model that each process opens for itself, when it first needs it."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

from impasto.errors import OptionError
from impasto.models import DEFAULT_MODEL, MODELS, find_bundle
from impasto.stylizer import Stylizer, load

ENGINE, PRECISION = "onnxruntime", "fp32"  # the same pictures on every machine


class OwnModel:
    """A model, by name or already loaded, that runs in one thread in every process.

    It is pickled without the open engine, and a forked process opens it again: engines are not
    guaranteed to work in a copy of the process that opened them.

    Args:
        given: a name or a file as for :func:`impasto.load`, or its result.

    Raises:
        ModelError: if there is no such model.
        OptionError: if it keeps no styles.

    Attributes:
        name: name of the model.
        identity: identity of the model, for which styles are valid.
        built_in: the names of its styles, if it takes no others.

    Example:
        >>> OwnModel("fast").name
        'fast'
    """

    def __init__(self, given: str | Path | Stylizer = DEFAULT_MODEL) -> None:
        self._given: str | Path | Stylizer
        self._opened: Stylizer | None = None
        self._home = self._pid = os.getpid()
        if isinstance(given, Stylizer):
            if not (given.limits.keeps_styles or given.limits.styles):
                raise OptionError(
                    f"{given.name} cannot store styles, since it needs their pictures each time; "
                    "use a trained model, such as fast"
                )
            self._given, self.name, self.identity = given, given.name, given.identity
            self.built_in = given.limits.styles
            return
        bundle = find_bundle(given)
        # Another process may work in another folder.
        known = isinstance(given, str) and given in [row.name for row in MODELS]
        self._given = given if known else Path(given).absolute()
        self.name, self.identity = bundle.card.name, bundle.identity
        self.built_in = tuple(bundle.card.styles)

    def __call__(self) -> Stylizer:
        """Return the model, open in this process.

        Raises:
            ImpastoError: as :func:`impasto.load`.
        """
        if self._opened is None or self._pid != os.getpid():
            self._opened, self._pid = self._open(), os.getpid()
        return self._opened

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._home = os.getpid()

    def _open(self) -> Stylizer:
        if not isinstance(self._given, Stylizer):
            return load(self._given, engine=ENGINE, precision=PRECISION, threads=1)
        opened = self._given.with_threads(1)
        if opened is self._given and self._home != os.getpid():
            return copy.copy(opened)  # the copy opens it again, if load() has made it
        return opened
