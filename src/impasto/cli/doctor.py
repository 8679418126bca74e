"""Command ``impasto doctor``: check the installation, and report what is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from impasto.cli import FAILED
from impasto.cli.lines import say

if TYPE_CHECKING:
    from impasto.doctor import Report
    from impasto.doctor.report import EngineFacts, ModelFacts


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def doctor(as_json: bool) -> int:
    """Check the installation and report problems; use it for bug reports too.

    A tiny picture is painted with every model on every engine. The report lists versions, engines,
    models and folders. Your home folder is written as ~, and none of your pictures or styles are
    included.

    The exit code is 0, unless nothing can be painted.

    \b
    impasto doctor
    impasto doctor --json > report.json
    """
    from impasto.doctor import examine

    report = examine()
    if as_json:
        for line in json.dumps(report.as_dict(), indent=2).splitlines():
            say(line)
    else:
        _print(report)
    return 0 if report.can_paint else FAILED


def _print(report: Report) -> None:
    say(f"impasto  {report.impasto}")
    say(f"Python   {report.python}")
    say(f"system   {report.system}")
    say()
    say("Packages")
    for extra in dict.fromkeys(each.extra for each in report.packages):
        rows = [each for each in report.packages if each.extra == extra]
        names = ", ".join(f"{each.name} {each.version or '-'}" for each in rows)
        say(f"  {extra or 'required'}: {names}")
    say()
    say(f"Engines (each paints a picture of {_side()} pixels)")
    for engine in report.engines:
        for line in _engine_lines(engine):
            say(line)
    say()
    say("Models")
    for model in report.models:
        say(f"  {model.name}: {_model_line(model)}")
    say()
    say(f"Styles: {report.styles.gallery} in the gallery, {report.styles.own} of yours")
    say()
    say("Folders")
    for folder in report.folders:
        say(f"  {folder.use}: {folder.path} ({folder.state})")
    for name, lines in report.more.items():
        _print_section(name, lines)
    say()
    if not report.problems:
        say("No problems found.")
        return
    say("Problems")
    for problem in report.problems:
        say(f"  {problem.what}")
        if problem.mend:
            say(f"    fix: {problem.mend}")


def _print_section(name: str, lines: Iterable[str]) -> None:
    say()
    say(f"{name[:1].upper()}{name[1:]}")
    for line in lines:
        say(f"  {line}")


def _side() -> str:
    from impasto.doctor.trial import SIDE

    return f"{SIDE} x {SIDE}"


def _engine_lines(engine: EngineFacts) -> list[str]:
    if not engine.providers and not engine.trials:
        return [f"  {engine.name}: not installed"]
    source = ", ".join(engine.providers) or "a library unknown to pip"
    devices = f"; devices: {', '.join(engine.devices)}" if engine.devices else ""
    lines = [f"  {engine.name}: {source}{devices}"]
    for trial in engine.trials:
        told = trial.problem or f"loads in {trial.load:.2f} s, paints in {trial.paint:.2f} s"
        lines.append(f"    {trial.model}, {trial.precision}: {told}")
    return lines


def _model_line(model: ModelFacts) -> str:
    if model.problem:
        return f"cannot be used: {model.problem}"
    if not model.identity:
        return "does not ship with the package"
    return f"{model.identity}, {model.size / 1e6:.1f} MB"
