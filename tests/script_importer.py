"""Import scripts and ask them for --help, all in this process, and print what is wrong.

    python tests/script_importer.py SCRIPT ...

The last line printed is a JSON object, script -> [faults of the import, faults of --help]. A script
may not print, write, start a process or read the command line while it is imported, and every name
that it imports from impasto, at the top or within a function, must exist. Asked for --help it
has to print its usage and end, with nothing else done. All share one process, so that PyTorch loads
once.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.util
import io
import json
import os
import runpy
import sys
from pathlib import Path
from types import ModuleType

SIDE_EFFECTS = {
    "os.chdir", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink",
    "os.system", "os.truncate", "shutil.rmtree", "socket.connect", "subprocess.Popen",
}  # fmt: skip
"""Audit events that an import has no business with; ``open`` is looked at by its flags."""

events: list[str] = []


def record(event: str, arguments: tuple[object, ...]) -> None:
    """Audit hook: note what changes files or reaches beyond the process."""
    if event in SIDE_EFFECTS:
        events.append(f"{event}{arguments}")
    elif event == "open":
        path, _, flags = arguments
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if writes and path != os.devnull:
            events.append(f"open({path!r}) for writing")


def load(path: Path) -> ModuleType:
    """Import the script at ``path`` as Python does for its neighbors, under a name of its own."""
    name = "script_" + "_".join(path.with_suffix("").parts[-2:]).replace("-", "_")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def find_missing(path: Path) -> list[str]:
    """Names that the script imports from impasto, anywhere, and that are not there."""
    missing = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            wanted = [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            wanted = [(node.module, alias.name) for alias in node.names]
        else:
            continue
        for module, name in wanted:
            if module.split(".")[0] == "impasto" and not exists(module, name):
                missing.append(f"line {node.lineno}: no {name or 'module'} in {module}")
    return missing


def exists(module: str, name: str | None) -> bool:
    """Whether ``module`` can be imported and has ``name``, as an attribute or as a module."""
    try:
        found = importlib.import_module(module)
        if name is not None and name != "*" and not hasattr(found, name):
            importlib.import_module(f"{module}.{name}")
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("impasto"):
            raise
        return False
    return True


def import_faults(path: Path) -> list[str]:
    """All that is wrong with importing the script at ``path``."""
    events.clear()
    sys.argv = [str(path), "--not-an-option"]
    output = io.StringIO()
    try:
        with contextlib.redirect_stdout(output):
            load(path)
        faults = [f"while it is imported: {event}" for event in events]
        faults += find_missing(path)
    except (Exception, SystemExit) as error:
        faults = [f"{type(error).__name__}: {error}"]
    if output.getvalue():
        faults.append(f"printed while it is imported: {output.getvalue()[:200]!r}")
    return faults


def help_faults(path: Path) -> list[str]:
    """All that is wrong with the answer of the script at ``path`` to ``--help``."""
    events.clear()
    sys.argv = [str(path), "--help"]
    output = io.StringIO()
    try:
        with contextlib.redirect_stdout(output):
            runpy.run_path(str(path), run_name="__main__")
        faults = ["did not end with its usage"]
    except SystemExit as error:
        faults = [f"exit code {error.code}"] if error.code else []
    except Exception as error:
        faults = [f"{type(error).__name__}: {error}"]
    if not output.getvalue().lower().startswith("usage:"):
        faults.append(f"printed no usage: {output.getvalue()[:200]!r}")
    return faults + [f"asked for --help: {event}" for event in events]


def find_faults(path: Path) -> tuple[list[str], list[str]]:
    """Faults of the import and of ``--help``, with the script's neighbors in reach."""
    before = set(sys.modules)
    sys.path.insert(0, str(path.parent))
    faults = import_faults(path), help_faults(path)
    sys.path.remove(str(path.parent))
    # Scripts of two folders may have neighbors of one name.
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None)
        if file and Path(file).parent == path.parent:
            del sys.modules[name]
    return faults


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    sys.addaudithook(record)
    scripts = sys.argv[1:]
    print(json.dumps({script: find_faults(Path(script)) for script in scripts}))
