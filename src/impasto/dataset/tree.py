"""The source of a data set: which of its files are pictures, and which are taken unchanged.

Folders are listed one after the other in the order of names, lazily, so a million names take no
memory. Hidden files are skipped, as are links to folders, which may form a circle.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from impasto.batch.names import photo_part
from impasto.dataset.manifest import ABOUT, MANIFEST
from impasto.dataset.places import Entry, Given, as_place
from impasto.dataset.work import COPY, PAINT, SHARD, Job
from impasto.errors import DatasetError, counted, one_line
from impasto.images.formats import FORMATS, READ_SUFFIXES, is_hidden

TAR = ".tar"

MASKS = (
    "SegmentationClass*", "SegmentationObject", "annotations", "panoptic_*", "stuffthingmaps",
    "gtFine", "gtCoarse", "trimaps",
)  # fmt: skip
"""Folders of labels that are pictures: in VOC, COCO, ADE20K, Cityscapes, Oxford Pets."""

# Names of folders that often hold masks: their pictures are painted, but with a remark.
_DOUBTFUL = ("mask", "masks", "label", "labels", "gt", "groundtruth", "ground_truth", "seg")

_SPLIT = re.compile(r"(train|training|val|valid|validation|test|testing|unlabeled)[-_]?\d*", re.I)
# Folders that are parts of a data set and not classes, such as train, or train2017.

_WRITTEN = tuple(suffix for row in FORMATS if row.written for suffix in row.suffixes)


@dataclass
class Survey:
    """All that is counted in a first pass over the names.

    Attributes:
        pictures: number of pictures; those in tar files are not counted yet.
        copied: number of files that are taken unchanged.
        shards: number of tar files that are read.
        classes: names of the folders that are classes, in order; none if pictures lie elsewhere.
        splits: the parts of the data set; none if there is only one.
        remarks: notes for the user, one line each.
    """

    pictures: int = 0
    copied: int = 0
    shards: int = 0
    classes: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    remarks: list[str] = field(default_factory=list)


class Tree:
    """A folder that is read: of pictures, or of tar files of pictures.

    Args:
        root: the folder, or a single tar file.
        target: the folder of the results, which is skipped if it lies within.
        copy: patterns of files and folders that are taken unchanged.
        samples: whether side files of a picture go with it (:attr:`Job.beside`), and are not jobs
            of their own.

    Raises:
        DatasetError: if there is no such folder, or one folder is inside the other.
    """

    def __init__(
        self, root: Given, target: Given, copy: Sequence[str] = (), *, samples: bool = False
    ) -> None:
        given = as_place(root)
        is_file = given.is_file()
        self.root = given.parent if is_file else given
        self._only = given.name if is_file else ""
        if self._only and not self._only.lower().endswith(TAR):
            raise DatasetError(
                f"{one_line(given)}: is a file; give a folder of pictures, or a tar file ({TAR})"
            )
        if not is_file and not given.exists():
            raise DatasetError(f"{one_line(given)}: no such folder; check the path")
        self._target = as_place(target).where()
        real = given.where()
        if real == self._target or Path(real).is_relative_to(self._target):
            raise DatasetError(
                f"{one_line(given)}: would be both read and written; give -o a folder outside it"
            )
        self._copy = tuple(copy)
        self._samples = samples
        self._links: list[str] = []
        self.is_sharded = bool(self._only)

    def survey(self) -> Survey:
        """Go through all names once, and count.

        Raises:
            DatasetError: if there is nothing to paint.
        """
        found = Survey()
        doubtful: Counter[str] = Counter()
        unwritten: Counter[str] = Counter()
        masks: Counter[str] = Counter()
        folders: dict[str, None] = {}
        tars = 0
        for job in self.jobs():
            if job.kind == COPY:
                tars += job.name.lower().endswith(TAR)
                found.copied += 1
                if job.name.lower().endswith(READ_SUFFIXES) and (mask := mask_folder(job.name)):
                    masks[mask] += 1
                continue
            found.pictures += job.kind == PAINT
            found.shards += job.kind == SHARD
            folder, _, own = job.name.rpartition("/")
            folders[folder] = None
            for part in folder.split("/"):
                if part.lower() in _DOUBTFUL:
                    doubtful[part] += 1
            suffix = os.path.splitext(own)[1].lower()  # noqa: PTH122 (Path is slow for many files)
            if job.kind == PAINT and suffix not in _WRITTEN:
                unwritten[suffix] += 1
        if tars and not found.pictures and not self.is_sharded:
            self.is_sharded = True
            return self.survey()
        if not found.pictures and not found.shards:
            raise DatasetError(
                f"{one_line(self.root)}: has no pictures ({', '.join(READ_SUFFIXES)}) and no tar "
                "files; check the path"
            )
        found.splits, found.classes = _layout(folders)
        for name, count in doubtful.items():
            found.remarks.append(
                f"{counted(count, 'picture')} below {name!r} will be painted; if these are masks "
                f"or labels, give --copy {name}"
            )
        for name, count in masks.items():
            found.remarks.append(
                f"{counted(count, 'picture')} below {name!r} will be copied, as masks or labels"
            )
        for suffix, count in unwritten.items():
            found.remarks.append(
                f"{counted(count, f'{suffix} picture')} will be written as NAME{suffix}.png, since "
                f"{suffix} cannot be written: labels that contain file names will not match"
            )
        if self._links:
            what = "link to a folder is" if len(self._links) == 1 else "links to folders are"
            found.remarks.append(f"{len(self._links)} {what} not followed: {min(self._links)}")
        return found

    def jobs(self) -> Iterator[Job]:
        """List all files in the order of their names, folder by folder."""
        self._links.clear()
        if self._only:
            yield Job(self._only, SHARD)
            return
        yield from self._folder("")

    def _folder(self, below: str) -> Iterator[Job]:
        try:
            here = self.root.entries(below)
        except OSError as error:
            raise DatasetError(
                f"{one_line(self.root.shown(below))}: cannot be listed ({one_line(error)})"
            ) from error
        prefix = f"{below}/" if below else ""
        files = [each.name for each in here if not each.is_dir() and not _is_left_out(each, below)]
        kinds = {name: self._kind(prefix + name) for name in files}
        for name, kind in kinds.items():
            if kind == PAINT and result_name(name) != name and result_name(name) in kinds:
                raise DatasetError(
                    f"{one_line(prefix + name)}: its result would have the name of another file, "
                    f"{result_name(name)}; rename or remove one of them"
                )
        beside = _beside(kinds) if self._samples else {}
        taken = {name for names in beside.values() for name in names}
        if self.is_sharded:  # the JSON file beside a tar file does not fit another one
            taken = {f"{name[: -len(TAR)]}.json" for name in kinds if kinds[name] == SHARD}
        for each in here:
            if each.name in taken:
                continue
            if each.name in kinds:
                own = tuple(beside.get(each.name, ()))
                yield Job(prefix + each.name, kinds[each.name], own)
            elif each.is_dir() and not is_hidden(each.name):
                if each.is_symlink():
                    self._links.append(prefix + each.name)
                elif self.root.where(prefix + each.name) != self._target:
                    yield from self._folder(prefix + each.name)

    def _kind(self, name: str) -> str:
        suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122
        if suffix not in READ_SUFFIXES and suffix != TAR:
            return COPY
        if any(fits(name, pattern) for pattern in self._copy) or mask_folder(name):
            return COPY
        if suffix == TAR:
            return SHARD if self.is_sharded else COPY
        return COPY if self.is_sharded else PAINT


def _is_left_out(entry: Entry, below: str) -> bool:
    """True for hidden files, and for the files at the top of an earlier data set."""
    return is_hidden(entry.name) or (entry.name in (ABOUT, MANIFEST) and not below)


def fits(name: str, pattern: str) -> bool:
    """Return True if a pattern matches a file: its path, its name, or that of a folder above it.

    Example:
        >>> fits("own/gt_fine/1.png", "gt_*")
        True
    """
    pattern = pattern.strip("/")
    return fnmatch.fnmatchcase(name, pattern) or any(
        fnmatch.fnmatchcase(part, pattern) for part in name.split("/")
    )


def mask_folder(name: str) -> str:
    """Return the folder above a file that holds masks in a well-known data set, "" for none.

    Example:
        >>> mask_folder("VOC2012/SegmentationClass/1.png")
        'SegmentationClass'
    """
    folders = name.split("/")[:-1]
    found = (each for each in folders if any(fnmatch.fnmatchcase(each, mask) for mask in MASKS))
    return next(found, "")


def result_name(name: str) -> str:
    """Return the name of the result of a picture: its own, if its format can be written.

    Example:
        >>> result_name("cat/1.JPEG"), result_name("sign/1.ppm")
        ('cat/1.JPEG', 'sign/1.ppm.png')
    """
    folder, slash, own = name.rpartition("/")
    stem, suffix = photo_part(own, _WRITTEN, READ_SUFFIXES)
    written = own.lower().endswith(_WRITTEN)
    return f"{folder}{slash}{own if written else stem + suffix}"


def split_of(name: str, splits: Sequence[str]) -> str:
    """Return the part of the data set that a picture belongs to, "" if there are none.

    Example:
        >>> split_of("train/cat/1.jpg", ["train", "val"])
        'train'
    """
    first = name.partition("/")[0]
    return first if first in splits else ""


def class_of(name: str, splits: Sequence[str]) -> str:
    """Return the folder that is a picture's class: the first one after the part.

    Example:
        >>> class_of("train/cat/1.jpg", ["train", "val"])
        'cat'
    """
    parts = name.split("/")[:-1]
    if parts and parts[0] in splits:
        parts = parts[1:]
    return parts[0] if parts else ""


def _beside(kinds: dict[str, str]) -> dict[str, list[str]]:
    """For each picture of a folder, the side files that have its name and another suffix."""
    pictures = {os.path.splitext(each)[0]: each for each in kinds if kinds[each] == PAINT}  # noqa: PTH122
    found: dict[str, list[str]] = {}
    for name, kind in kinds.items():
        picture = pictures.get(os.path.splitext(name)[0])  # noqa: PTH122
        if kind == COPY and picture is not None:
            found.setdefault(picture, []).append(name)
    return found


def _layout(folders: dict[str, None]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The parts and the classes given by the folders of pictures, in ImageFolder's layout."""
    tops = {folder.partition("/")[0] for folder in folders}
    splits = tuple(sorted(tops)) if all(map(_SPLIT.fullmatch, tops)) else ()
    classes = {class_of(f"{folder}/x", splits) for folder in folders}
    return splits, () if "" in classes or len(classes) < 2 else tuple(sorted(classes))
