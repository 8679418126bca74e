"""The pages of the site in the order of its navigation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Page:
    """A page of the site.

    Attributes:
        title: in the navigation.
        path: in the site.
        source: the file of the repository that it is; empty for a page that is generated.
    """

    title: str
    path: str
    source: str = ""

    @property
    def there(self) -> bool:
        """True unless the page is a file that this repository does not have."""
        return not self.source or (ROOT / self.source).is_file()


def _doc(title: str, name: str) -> Page:
    return Page(title, name, f"docs/{name}")


COMMANDS = Page("Commands", "commands.md")
PYTHON = Page("Python", "python.md")
LAB = Page("Python: the lab", "python-lab.md")
MESSAGES = Page("Messages", "messages.md")

SECTIONS: dict[str, tuple[Page, ...]] = {
    "Start": (
        _doc("Impasto", "index.md"),
        _doc("Get started", "get-started.md"),
        _doc("Install", "install.md"),
        _doc("Gallery", "gallery/README.md"),
        _doc("Troubleshooting", "troubleshooting.md"),
    ),
    "Paint": (
        _doc("Controls", "controls.md"),
        _doc("Films", "films.md"),
        _doc("The page", "page.md"),
        _doc("Publish the page", "page-hosting.md"),
        _doc("The server", "server.md"),
        _doc("Data sets", "datasets.md"),
        _doc("Augmentation", "augment.md"),
        _doc("Precision", "precision.md"),
        _doc("In a container", "container.md"),
        Page("In ComfyUI", "comfyui.md", "integrations/comfyui/README.md"),
        Page("Example pictures", "examples.md", "examples/README.md"),
    ),
    "Understand": (
        _doc("How it works", "how-it-works.md"),
        _doc("Methods", "methods.md"),
        _doc("Built-in styles", "methods-trained.md"),
        _doc("Normalization", "normalization.md"),
        _doc("Taxonomy", "taxonomy.md"),
        _doc("The paper", "experiments.md"),
        _doc("What the papers say", "sources.md"),
    ),
    "Train": (
        _doc("Train your own", "training.md"),
        _doc("Tune a style", "tuning.md"),
        _doc("Evaluation", "evaluation.md"),
        Page("Trained networks", "trained.md", "trained/README.md"),
        Page("Recipes", "recipes.md", "recipes/README.md"),
        Page("Experiments", "studies.md", "experiments/README.md"),
    ),
    "Reference": (COMMANDS, PYTHON, LAB, MESSAGES),
    "Contribute": (
        Page("Contributing", "contributing.md", "CONTRIBUTING.md"),
        _doc("Architecture", "architecture.md"),
        Page("Security", "security.md", "SECURITY.md"),
        Page("Code of conduct", "conduct.md", "CODE_OF_CONDUCT.md"),
        Page("Changelog", "changelog.md", "CHANGELOG.md"),
        _doc("Lab notebook", "history/training.md"),
        _doc("Time on an accelerator", "history/accelerator.md"),
    ),
}
"""The pages by their section; of files that are not there, nothing is shown."""


def pages() -> list[Page]:
    """Every page that is there."""
    return [page for section in SECTIONS.values() for page in section if page.there]


def forgotten() -> list[str]:
    """Pages in docs/ that have no place in the navigation."""
    known = {page.source for page in pages()}
    found = (path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
    return sorted(set(found) - known)
