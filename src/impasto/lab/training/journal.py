"""Files of a run folder: log, previews, skipped files, TensorBoard files."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from impasto.errors import OptionError
from impasto.images.files import write_whole
from impasto.lab.data.pictures import held_out_squares
from impasto.lab.data.sources import LeftOut
from impasto.lab.training.config import TrainConfig, tables_of
from impasto.lab.training.processes import Processes

LOG, HELD_OUT, LEFT_OUT = "log.csv", "held-out.csv", "left-out.csv"


class Journal:
    """Writer of the files; in processes other than the first it only counts.

    ``log.csv`` has a line every ``log_every`` steps and one at the end, with the means over the
    steps since the line before; ``held-out.csv`` the loss terms on the pairs of the previews.
    Lines after ``step``, which an interrupted run may have left, are removed.
    """

    def __init__(self, folder: Path, config: TrainConfig, processes: Processes, step: int) -> None:
        """Raise ``OptionError`` if TensorBoard is requested but not installed."""
        self.folder, self.config, self.processes = folder, config, processes
        names = tables_of(config.network).columns
        self.columns = "step", "loss", "gradient", "learning_rate", *names, "images_per_second"
        self.seen = "step", *names
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}  # other branches have other terms
        self.count, self.since = 0, time.monotonic()
        self.step, self.rate = step, 0.0
        self.known: set[LeftOut] = set()
        self.board = _board(folder, step) if config.tensorboard and processes.first else None
        if processes.first:
            (folder / LEFT_OUT).unlink(missing_ok=True)
            _cut(folder / LOG, self.columns, step)
            _cut(folder / HELD_OUT, self.seen, step)

    def add(self, step: int, values: dict[str, Tensor], rate: float) -> None:
        """Record a step, and write a line after every multiple of ``log_every``."""
        for name, value in values.items():
            value = value.detach().float()
            self.sums[name] = self.sums[name] + value if name in self.sums else value.clone()
            self.counts[name] = self.counts.get(name, 0) + 1
        self.count += 1
        self.step, self.rate = step, rate
        if step % self.config.log_every == 0:
            self._write_means()

    def _write_means(self) -> None:
        """Write the means over the steps since the last line."""
        self.processes.average(list(self.sums.values()))
        row = {name: float(value) / self.counts[name] for name, value in self.sums.items()}
        row["learning_rate"] = self.rate
        seconds = time.monotonic() - self.since
        row["images_per_second"] = self.count * self.config.batch / max(seconds, 1e-9)
        self._write(LOG, self.columns, self.step, row)
        self.sums, self.counts, self.count, self.since = {}, {}, 0, time.monotonic()

    def held_out(self, step: int, sheet: Image.Image, terms: dict[str, float]) -> None:
        """Save a preview and the loss terms of its pairs."""
        buffer = io.BytesIO()  # on a full disk OSError, reported with the kept checkpoint
        sheet.save(buffer, "PNG")
        path = self.folder / f"preview-{step:06d}.png"
        write_whole(path, buffer.getvalue(), overwrite=True)
        self._write(HELD_OUT, self.seen, step, terms)
        if self.board:
            pixels = torch.frombuffer(bytearray(sheet.tobytes()), dtype=torch.uint8)
            self.board.add_image(
                "preview", pixels.reshape(sheet.height, sheet.width, 3), step, dataformats="HWC"
            )

    def leave_out(self, found: Iterable[LeftOut]) -> list[LeftOut]:
        """List unusable files found by any process; return new ones, in the first process."""
        all_found = [row for rows in self.processes.gather(list(found)) for row in rows]
        new = [row for row in dict.fromkeys(all_found) if row not in self.known]
        self.known.update(new)
        if not self.processes.first:
            return []
        if new:
            _append(self.folder / LEFT_OUT, ("file", "reason"), [list(map(str, r)) for r in new])
        return new

    def close(self) -> None:
        """Write the last line of the log, and flush TensorBoard's writer."""
        if self.count:
            self._write_means()
        if self.board:
            self.board.close()

    def _write(
        self, name: str, columns: tuple[str, ...], step: int, values: dict[str, float]
    ) -> None:
        if not self.processes.first:
            return
        cells = [f"{values[c]:.6g}" if c in values else "" for c in columns[1:]]
        _append(self.folder / name, columns, [[str(step), *cells]])
        if self.board:
            for key, value in values.items():
                self.board.add_scalar(f"{Path(name).stem}/{key}", value, step)
            self.board.flush()


def _append(path: Path, columns: tuple[str, ...], rows: list[list[str]]) -> None:
    new = not path.exists()
    with path.open("a", newline="") as file:
        csv.writer(file).writerows([columns, *rows] if new else rows)


def _cut(path: Path, columns: tuple[str, ...], step: int) -> None:
    """Keep the lines of ``path`` up to ``step``; rename a file with other columns."""
    if not path.exists():
        return
    with path.open(newline="") as file:
        header, *rows = list(csv.reader(file)) or [[]]
    if header != list(columns):
        path.replace(path.with_suffix(f".before-{step}.csv"))
        return
    kept = [row for row in rows if len(row) == len(columns) and float(row[0]) <= step]
    text = io.StringIO(newline="")
    csv.writer(text).writerows([header, *kept])
    write_whole(path, text.getvalue().encode(), overwrite=True)


def _board(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise OptionError(
            "the log for TensorBoard needs its package; pip install 'impasto[tensorboard]', or "
            "set tensorboard = false"
        ) from error
    return SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)


class Preview:
    """A contact sheet of held-out photographs (rows) in held-out styles (columns), with losses."""

    side, rows, columns = 256, 3, 6

    def __init__(
        self,
        config: TrainConfig,
        device: torch.device,
        *,
        pictures: Sequence[Tensor] = (),
        first: int = 0,
    ) -> None:
        """``pictures`` (1, 3, H, W): of built-in styles, whose indices begin at ``first``; without
        them styles are drawn from the held-out ones."""
        self.contents = held_out_squares(
            config.data.contents, n=self.rows, size=self.side, seed=config.seed + 3
        ).to(device)
        if pictures:
            squares = [_square(each, self.side) for each in pictures[: self.columns]]
            self.styles = torch.cat(squares)
            self.asked = torch.arange(first, first + len(squares), device=device)
            return
        self.styles = held_out_squares(
            config.data.styles, n=self.columns, size=self.side, seed=config.seed + 4
        ).to(device)
        self.asked = self.styles

    @torch.no_grad()
    def draw(self, objective: Any, learned: Any) -> tuple[Image.Image, dict[str, float]]:
        """Return the sheet of ``learned``, and the mean of each term over its pairs."""
        sheet = [torch.cat([torch.ones_like(self.styles[:1]), self.styles])]
        sums: dict[str, float] = {}
        for content in self.contents:
            repeated = content.expand(len(self.styles), -1, -1, -1)
            batch = objective.prepare(repeated, self.asked)
            pictures = objective.pictures(learned, batch)
            sheet.append(torch.cat([content[None], pictures[: len(self.styles)]]))
            for name, value in objective.terms(pictures, batch).items():
                sums[name] = sums.get(name, 0.0) + float(value) / self.rows
        pixels = torch.cat([torch.cat(list(row), dim=2) for row in sheet], dim=1)
        array = pixels.clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).cpu().numpy()
        return Image.fromarray(array), sums


def _square(picture: Tensor, side: int) -> Tensor:
    """Return the middle square of (1, 3, H, W), scaled."""
    height, width = picture.shape[2:]
    shorter = min(height, width)
    top, left = (height - shorter) // 2, (width - shorter) // 2
    square = picture[..., top : top + shorter, left : left + shorter]
    return F.interpolate(square, (side, side), mode="bilinear", antialias=True)
