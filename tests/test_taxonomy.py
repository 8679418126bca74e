"""The page of methods in their places: every method of ours is on it, and what it names exists."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest

pytest.importorskip("torch")

import impasto.lab
from impasto.controls.transforms import TRANSFORMS
from impasto.lab.training.networks import all_networks
from impasto.models import MODELS

PAGE = Path(__file__).parents[1] / "docs" / "taxonomy.md"


def test_every_method_has_its_place() -> None:
    names = set(re.findall(r"\*\*`([\w-]+)`\*\*", PAGE.read_text()))
    ablations = {"adain-concat", "adain-bn", "adain-in", "reader"}  # parts and variants of others
    ours = {row.name for row in all_networks()} - ablations
    ours |= {row.name for row in MODELS}
    # Of the methods that plug in, ours have more than one place where they paint in two ways.
    ours |= {
        point.name
        for point in metadata.entry_points(group="impasto.painters")
        if point.value.startswith("impasto.")
    }
    assert names == ours


def test_losses_and_transforms_have_theirs() -> None:
    text = PAGE.read_text()
    for name in set(re.findall(r"`(\w+_loss)`", text)):
        assert callable(getattr(impasto.lab, name))
    judged = {name for name in impasto.lab.__all__ if name.endswith("_loss")}
    own = {"color_loss", "mesh_loss", "weave_loss", "content_loss", "moment_loss"}  # not of a style
    assert not {name for name in judged - own if f"`{name}`" not in text}
    names = {row.name for row in TRANSFORMS} - {"adain"}
    assert not {name for name in names if not re.search(f"`(--transform )?{name}`", text)}
