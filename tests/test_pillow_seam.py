"""The private parts of Pillow that our codecs lean on, each by its name.

When a new Pillow breaks one of these tests, the message says what is missing or changed and which
of our files relies on it. Nothing outside ``impasto.images`` leans on any of it, and within, only
``sources`` and ``writing`` import such a codec.
"""

from __future__ import annotations

import ast
import importlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import pytest
from PIL import Image, PngImagePlugin, PpmImagePlugin, TiffImagePlugin

import impasto.images
from impasto.images.formats import FORMATS
from impasto.images.resizing import Stretch, resize_plane, stretched
from impasto.images.strips_out import encode_png

IMAGES = Path(impasto.images.__file__).parent

VALUES = np.random.default_rng(1).integers(0, 65536, (3, 5, 4), np.uint16)


@dataclass(frozen=True)
class Part:
    """A part of Pillow that it promises nobody.

    Attributes:
        name: what it is called there.
        files: those of ours that use it.
        use: what they use it for.
        check: fails, by whatever exception, if it is not as it was.
        watch: how the name stands in the code, where a test looks for it.
    """

    name: str
    files: tuple[str, ...]
    use: str
    check: Callable[[], None]
    watch: tuple[str, ...] = ()


def saved(format: str, **options: Any) -> io.BytesIO:
    stream = io.BytesIO()
    Image.fromarray((VALUES[..., :3] >> 8).astype(np.uint8)).save(stream, format, **options)
    stream.seek(0)
    return stream


def turned_tiff() -> TiffImagePlugin.TiffImageFile:
    exif = Image.Exif()
    exif[0x0112] = 6
    return TiffImagePlugin.TiffImageFile(saved("TIFF", exif=exif), "")


def check_open() -> None:
    for row in FORMATS:
        if row.module.startswith("PIL."):
            importlib.import_module(row.module)
            assert callable(Image.OPEN[row.name][0]), row.name
    for format in ("JPEG", "PNG", "GIF", "BMP", "PPM", "TIFF"):
        assert Image.OPEN[format][0](saved(format), "").size == (5, 3), format


def check_heif() -> None:
    heif = pytest.importorskip("pillow_heif")
    stream = io.BytesIO()
    heif.from_pillow(Image.new("RGB", (64, 48))).save(stream)
    stream.seek(0)
    picture = heif.HeifImageFile(stream, "")
    assert picture.size == (64, 48)
    assert picture.info["bit_depth"] == 8


def check_tile_size() -> None:
    picture = turned_tiff()
    assert picture.size == (3, 5)
    assert picture._tile_size == (5, 3)


def check_turning() -> None:
    picture = turned_tiff()
    assert picture.getexif()[0x0112] == 6
    picture.load()
    assert picture.size == (3, 5)
    assert 0x0112 not in picture.getexif()


def check_memory() -> None:
    picture = TiffImagePlugin.TiffImageFile(saved("TIFF"), "")
    memory = Image.new(picture.mode, picture.size).im
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, 1
    try:
        picture.im = memory
        picture.load()
    finally:
        Image.MAX_IMAGE_PIXELS = limit
    assert picture.im is memory
    assert (np.asarray(picture) == VALUES[..., :3] >> 8).all()


def check_png_tiles() -> None:
    for channels, mode in ((3, "RGB"), (4, "RGBA")):
        stream = io.BytesIO(encode_png(VALUES[..., :channels]))
        picture = PngImagePlugin.PngImageFile(stream, "")
        (tile,) = picture.tile
        assert tile.args == f"{mode};16B"
        assert (np.asarray(picture) == VALUES[..., :channels] >> 8).all()
        stream.seek(0)
        other = PngImagePlugin.PngImageFile(stream, "")
        other.tile = [tile._replace(args=f"{mode};16L")]
        assert (np.asarray(other) == VALUES[..., :channels] & 255).all()


def check_unpackers() -> None:
    for mode in ("RGB", "RGBA"):
        data = VALUES[..., : len(mode)].astype(">u2").tobytes()
        for raw, wanted in ((";16B", VALUES >> 8), (";16L", VALUES & 255)):
            picture = Image.frombytes(mode, (5, 3), data, "raw", mode + raw)
            assert (np.asarray(picture) == wanted[..., : len(mode)]).all(), mode + raw


def check_ppm_tiles() -> None:
    data = b"P6\n5 3\n65535\n" + VALUES[..., :3].astype(">u2").tobytes()
    picture = PpmImagePlugin.PpmImageFile(io.BytesIO(data), "")
    kind, _, offset, args = picture.tile[0]
    assert (kind, offset, args[1], picture.mode) == ("ppm", 13, 65535, "RGB")


def check_tags() -> None:
    tags = TiffImagePlugin.TiffImageFile(saved("TIFF"), "").tag_v2
    assert (tags.prefix, tags[256], tags[257], tags[258]) == (b"II", 5, 3, (8, 8, 8))
    assert tags.tagtype[256] in (3, 4)
    assert {273, 279} <= set(tags)


def directory(order: bytes = b"II\x2a\x00", *, tiled: bool = False) -> Any:
    header = TiffImagePlugin.ImageFileDirectory_v2(order + bytes(4))
    for tag, value in ((256, 4), (257, 2), (258, 8), (259, 1), (262, 1), (277, 1)):
        header[tag] = value
    for tag, value in ((324, 0), (325, 8)) if tiled else ((273, 0), (279, 8)):
        header.tagtype[tag] = 4
        header[tag] = (value,)
    return header


def check_directory() -> None:
    for order in (b"II\x2a\x00", b"MM\x00\x2a"):
        header, stream = directory(order), io.BytesIO()
        start = 8 + len(header.tobytes(8))
        header.save(stream)
        assert stream.tell() == start, "tobytes() does not tell the length"
        stream.write(bytes(range(8)))
        with Image.open(stream) as picture:
            assert picture.tag_v2[273] == (start,), "offsets of strips are not moved"
            assert picture.tobytes() == bytes(range(8))
        header, stream = directory(order, tiled=True), io.BytesIO()
        header.save(stream)
        stream.seek(0)
        found = TiffImagePlugin.ImageFileDirectory_v2(stream.read(8))
        stream.seek(found.next)
        found.load(stream)
        assert found[324] == (0,), "offsets of tiles are moved"


def check_text_chunks() -> None:
    told, chunk = PngImagePlugin.PngInfo(), b"Title\0J\xc3\xb6rg"
    told.add(b"tEXt", chunk)
    data = saved("PNG", pnginfo=told).getvalue()
    assert b"tEXt" + chunk in data[: data.index(b"IDAT")]


def check_lanczos() -> None:
    plane = np.random.default_rng(2).random((40, 31), np.float32)
    for height, width in ((17, 12), (90, 64)):
        vertical = Stretch.of(40, height, slice(0, height))
        horizontal = Stretch.of(31, width, slice(0, width))
        ours = np.clip(stretched(plane, vertical, horizontal), 0, 1)
        np.testing.assert_allclose(resize_plane(plane, height, width), ours, atol=1e-6)


PARTS = (
    Part("Image.OPEN", ("formats",), "readers without Pillow's own limit", check_open, ("OPEN",)),
    Part(
        "pillow_heif.HeifImageFile and info['bit_depth']",
        ("formats", "deep"),
        "HEIC without registering its reader for the whole process",
        check_heif,
        ("HeifImageFile", "bit_depth"),
    ),
    Part(
        "TiffImageFile._tile_size",
        ("sources",),
        "the size as it is stored",
        check_tile_size,
        ("_tile_size",),
    ),
    Part(
        "TiffImageFile.load() turns the picture",
        ("sources",),
        "not to turn it once more",
        check_turning,
    ),
    Part(
        "Image.im, set before TiffImageFile.load()",
        ("sources", "tiff"),
        "large pictures, of which its load() refuses to make the memory",
        check_memory,
        ("im", "TiffImageFile"),
    ),
    Part(
        "PngImageFile.tile",
        ("deep",),
        "the low bytes of 16 bits, which are decoded in another byte order",
        check_png_tiles,
        ("tile", "_replace", "PngImageFile"),
    ),
    Part("the raw modes ;16B and ;16L", ("deep",), "both bytes of 16 bits", check_unpackers),
    Part(
        "PpmImageFile.tile",
        ("deep",),
        "where the pixels begin, and what white is",
        check_ppm_tiles,
        ("tile", "PpmImageFile"),
    ),
    Part(
        "TiffImageFile.tag_v2",
        ("strips_in", "deep"),
        "the directory of a file, for those of its strips",
        check_tags,
        ("tag_v2", "prefix", "tagtype"),
    ),
    Part(
        "ImageFileDirectory_v2: tagtype, tobytes() and save()",
        ("strips_in",),
        "the directory of a file that is made of strips",
        check_directory,
        ("ImageFileDirectory_v2", "tagtype"),
    ),
    Part(
        "PngInfo.add() of any chunk",
        ("metadata",),
        "texts of a PNG as the bytes that they were",
        check_text_chunks,
        ("PngInfo",),
    ),
    Part(
        "the weights of Lanczos in Resample.c",
        ("resizing",),
        "parts of a scaled picture that are what the whole is",
        check_lanczos,
    ),
)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_pillow_has_the_parts_that_we_lean_on(part: Part) -> None:
    try:
        part.check()
    except Exception as error:
        why = f"{type(error).__name__}: {error}".splitlines()[0]
        files = " and ".join(f"src/impasto/images/{name}.py" for name in part.files)
        pytest.fail(
            f"Pillow {PIL.__version__}: {part.name} is missing or has changed; {files} "
            f"{'relies' if len(part.files) == 1 else 'rely'} on it for: {part.use} "
            f"({why})"
        )


def private_names(path: Path) -> set[str]:
    """What a file names of Pillow that is private: members of its plug-ins, and watched names."""
    tree = ast.parse(path.read_text())
    modules = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("PIL")
        for alias in node.names
    }
    watched = {name for part in PARTS for name in part.watch}
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value in ("_tile_size", "tag_v2", "bit_depth"):
            found.add(node.value)
        if not isinstance(node, ast.Attribute):
            continue
        owner = node.value.id if isinstance(node.value, ast.Name) else ""
        of_plugin = owner in modules and owner.endswith(("Plugin", "ImageFile"))
        if of_plugin or (node.attr in watched and owner != "self"):
            found.add(node.attr)
        if (owner in modules and node.attr in ("core", "_im")) or owner == "_imaging":
            found.add(node.attr)
    return found


def test_every_private_part_is_in_the_table() -> None:
    for path in sorted(IMAGES.glob("*.py")):
        known = {name for part in PARTS if path.stem in part.files for name in part.watch}
        unknown = private_names(path) - known
        assert not unknown, f"{path.name} leans on {unknown} of Pillow; add it to PARTS"
    for part in PARTS:
        for file in part.files:
            assert (IMAGES / f"{file}.py").is_file(), f"{part.name} names {file}.py, which is gone"
            used = private_names(IMAGES / f"{file}.py")
            assert not part.watch or used & set(part.watch), f"{file}.py no longer uses {part.name}"


def test_nothing_else_knows_pillows_plug_ins() -> None:
    for path in sorted(IMAGES.parent.rglob("*.py")):
        if path.parent == IMAGES or "lab" in path.parts:
            continue
        text = path.read_text()
        assert "ImagePlugin" not in text, f"{path} knows a plug-in of Pillow: see impasto.images"


CODECS = {"deep", "tiff", "strips_in", "strips_out"}
DOORS = {"sources", "writing"}


def test_only_two_doors_lead_to_the_codecs() -> None:
    """Reading and writing alone import them, so that other codecs can take their place."""
    package = IMAGES.parent
    wrong = []
    for file in package.rglob("*.py"):
        if file.parent == IMAGES and file.stem in CODECS | DOORS:
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            modules += [each.name for each in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                modules += [f"{node.module}.{each.name}" for each in node.names]
            if {f"impasto.images.{name}" for name in CODECS} & set(modules):
                wrong.append(f"{file.relative_to(package)}:{node.lineno}")
    assert not wrong, f"import a codec, which only {sorted(DOORS)} may: {wrong}"
