"""A tiny picture on every engine, in a separate process, so that a crash is reported as well."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence

from impasto.doctor.report import EngineFacts, Problem, Trial, tilde
from impasto.errors import escaped
from impasto.models.engines import ENGINES, EngineRow
from impasto.models.providers import mend, providers

_SECONDS = 300


def examine_engines(models: Sequence[str]) -> tuple[tuple[EngineFacts, ...], list[Problem]]:
    """The engines of the table, with a picture by each model in each precision.

    Args:
        models: names of those whose bundles can be read.
    """
    found: list[EngineFacts] = []
    problems: list[Problem] = []
    for row in ENGINES:
        sources = providers(row.imports)
        if not row.installed:
            found.append(EngineFacts(row.name))
            continue
        facts, problem = _run(row, models)
        remedy = mend(row, sources)
        if problem:
            problems.append(Problem(f"engine {row.name!r} {problem}", remedy))
        problems += [
            Problem(
                f"engine {row.name!r}, {trial.precision}, model {trial.model!r}: {trial.problem}",
                remedy,
            )
            for trial in facts.trials
            if trial.problem
        ]
        names = tuple(str(each) for each in sources)
        found.append(EngineFacts(row.name, names, facts.devices, facts.trials))
    if not any(facts.paints for facts in found):
        installed = [row.name for row in ENGINES if row.installed]
        why = "no engine paints" if installed else "no engine is installed"
        problems.append(Problem(f"nothing can be painted: {why}", f"pip install {ENGINES[-1].pip}"))
    return tuple(found), problems


def _run(row: EngineRow, models: Sequence[str]) -> tuple[EngineFacts, str]:
    """Let an engine paint; return its facts, and how the process ended if it failed."""
    command = [sys.executable, "-m", "impasto.doctor.trial", row.name, *models]
    path = os.pathsep.join(each for each in sys.path if each)
    try:
        done = subprocess.run(
            command,
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            check=False,
            timeout=_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return EngineFacts(row.name), f"did not paint within {_SECONDS} seconds"
    devices: tuple[str, ...] = ()
    trials = []
    problem = ""
    for line in done.stdout.splitlines():
        if not line.startswith(b"{"):  # what a library has printed
            continue
        told = json.loads(line)
        if "devices" in told:
            devices = tuple(told["devices"])
        elif "problem" in told and "model" not in told:
            problem = tilde(told["problem"])
        else:
            trials.append(Trial(**{**told, "problem": tilde(told["problem"])}))
    if done.returncode and not problem:
        problem = _end(done.returncode, done.stderr)
    return EngineFacts(row.name, devices=devices, trials=tuple(trials)), problem


def _end(code: int, errors: bytes) -> str:
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = str(-code)
        return f"crashed ({name})"
    lines = errors.decode(errors="replace").strip().splitlines()
    return f"failed: {tilde(escaped(lines[-1])) if lines else f'exit code {code}'}"
