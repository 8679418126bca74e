"""Examination of an installation: what is installed, what works, what is wrong, how to fix it.

====================  =========================================================================
:mod:`.packages`      versions of Python, the system and the packages; distributions in conflict
:mod:`.painting`      a tiny picture on every engine, in every precision, by every model
:mod:`.trial`         the separate process in which an engine paints it
:mod:`.places`        models, styles and folders; files that changed since the installation
:mod:`.report`        the results as values
====================  =========================================================================

Nothing heavy is imported here, and whatever is broken becomes a line of the report. Other packages
add to it by entry points of the group ``impasto.doctor``: functions without arguments that return
:class:`impasto.doctor.report.Facts`.
"""

from __future__ import annotations

from impasto.doctor.report import Facts, Problem, Report

__all__ = ["GROUP", "Facts", "Problem", "Report", "examine"]

GROUP = "impasto.doctor"
"""Group of entry points for facts of other packages."""


def examine() -> Report:
    """Examine this installation; it takes some seconds.

    Example:
        >>> examine().can_paint                                              # doctest: +SKIP
        True
    """
    from impasto.doctor import packages, painting, places

    models, damaged = places.examine_models()
    engines, broken = painting.examine_engines([each.name for each in models if each.identity])
    packages_found, conflicts = packages.examine_packages()
    styles, unusable = places.examine_styles()
    folders, locked = places.examine_folders()
    more, complaints = _of_others()
    return Report(
        impasto=packages.version_line(),
        python=packages.python_line(),
        system=packages.system_line(),
        packages=packages_found,
        engines=engines,
        models=models,
        styles=styles,
        folders=folders,
        more=more,
        problems=(
            *packages.shadowed(),
            *conflicts,
            *broken,
            *damaged,
            *places.changed_files(),
            *unusable,
            *locked,
            *complaints,
        ),
    )


def _of_others() -> tuple[dict[str, tuple[str, ...]], list[Problem]]:
    """Facts that other packages report, each under its name."""
    from importlib.metadata import entry_points

    from impasto.errors import ImpastoError, one_line

    lines: dict[str, tuple[str, ...]] = {}
    problems: list[Problem] = []
    for plugin in sorted(entry_points(group=GROUP), key=lambda each: each.name):
        try:
            facts: Facts = plugin.load()()
            lines[plugin.name] = facts.lines
            problems += facts.problems
        except ModuleNotFoundError as error:
            lines[plugin.name] = (f"not in use: {error.name} is not installed",)
        except ImpastoError as error:  # the lab's, without its extra
            lines[plugin.name] = (f"not in use: {one_line(error)}",)
        except Exception as error:  # a plug-in may do anything
            problems.append(
                Problem(
                    f"{plugin.name} cannot be checked ({one_line(error)})",
                    "install its package again",
                )
            )
    return lines, problems
