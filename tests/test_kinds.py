"""Files that are another than they should be: one line each, with the kind of file and the mend."""

from __future__ import annotations

import io
import json
import pickle
import re
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import make_tiny
from PIL import Image

from impasto.cli import cli
from impasto.errors import ImpastoError, ModelError
from impasto.images.kinds import kind_of, wrong_kind
from impasto.models import read_bundle, write_bundle
from impasto.styles.files import load_style


def _zip(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), data)
    return stream.getvalue()


def _tar() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("decoder.pth"), io.BytesIO())
    return stream.getvalue()


def _picture() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (20, 20)).save(stream, "PNG")
    return stream.getvalue()


HEADER = json.dumps({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
SAFE = len(HEADER).to_bytes(8, "little") + HEADER + bytes(8)
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 14027541\n"

FILES: dict[str, tuple[bytes, str]] = {
    "page": (b"<!DOCTYPE html><title>Virus scan warning</title>", r"a web page \(HTML\)"),
    "page with a comment": (b"\n<!-- saved from url -->\n<HTML><body>", r"a web page \(HTML\)"),
    "pointer": (LFS, "a Git LFS pointer"),
    "annex": (b"/annex/objects/SHA256E-s9--0.pth\n", "a git-annex pointer"),
    "empty": (b"", "an empty file"),
    "text": (b"not weights", "a text file"),
    "answer": (b'{"error": "Invalid username or password."}', r"a JSON file"),
    "zip": (_zip(decoder_dot_pth=b"1"), "a zip archive"),
    "cut zip": (_zip(a__data_dot_pkl=b"1" * 100)[:80], "a damaged or truncated zip archive"),
    "torchscript": (_zip(a__data_dot_pkl=b"1", a__constants_dot_pkl=b"1"), "a TorchScript"),
    "tar": (_tar(), "a tar archive"),
    "gzip": (b"\x1f\x8b\x08\0\0\0\0\0", "a gzip archive"),
    "picture": (_picture(), r"a picture \(PNG\)"),
    "onnx": (make_tiny().encoder, "an ONNX graph"),
    "cut safetensors": (SAFE[:-4], "a damaged or truncated safetensors file"),
    "objects": (pickle.dumps({"network": Path("x")}), "a Python pickle|Python objects"),
    "numbers": (b"\x93NUMPY\x01\0", "a NumPy array"),
    "noise": (np.random.default_rng(0).bytes(300), "damaged"),
}

# What a safety that is switched off is called, and what other libraries say.
RAW = r"weights_only|arbitrary code|\[Errno|Traceback|state_dict for|HeaderTooLarge|not a zip file"


def check_line(text: str, words: str, name: str) -> None:
    assert re.search(words, text), text
    assert not re.search(RAW, text), text
    assert name in text and "\n" not in text.strip() and len(text) < 330, text


@pytest.mark.parametrize("name", [name for name in FILES if name not in ("objects", "noise")])
def test_the_kind_of_a_file_whatever_its_name(tmp_path: Path, name: str) -> None:
    data, words = FILES[name]
    for suffix in (".pth", ".safetensors", ".impasto", ""):
        path = tmp_path / f"x{suffix}"
        path.write_bytes(data)
        kind = kind_of(path)
        assert kind is not None and re.search(words, kind.name)
    assert kind_of(tmp_path / "none") is None and kind_of(tmp_path) is None


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "gone").symlink_to("nowhere")
    assert wrong_kind("no.pth", "weights") == "no.pth: no such file; check the path"
    assert "link to a file that does not exist" in wrong_kind(tmp_path / "gone", "weights")
    assert "is a folder, not weights" in wrong_kind(tmp_path, "weights")
    assert "a device, not weights" in wrong_kind("/dev/null", "weights")
    assert "no such file" in wrong_kind(tmp_path / "gone" / "x", "weights")


def _vgg(path: Path) -> object:
    from impasto.lab.nets.vgg import load_vgg

    return load_vgg(path)


def _decoder(path: Path) -> object:
    from impasto.lab.methods.adain import load_decoder

    return load_decoder(path)


def _checkpoint(path: Path) -> object:
    from impasto.lab.training.checkpoints import weights_from

    return weights_from(path)


def _config(path: Path) -> object:
    from impasto.lab.training.config import read_config

    return read_config(path)


READERS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "vgg": (_vgg, "vgg.pth"),
    "decoder": (_decoder, "decoder.safetensors"),
    "checkpoint": (_checkpoint, "checkpoint.pt"),
    "config": (_config, "config.toml"),
    "model": (read_bundle, "mine.impasto"),
    "style": (load_style, "wave.safetensors"),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", FILES)
def test_every_reader_says_what_it_got(tmp_path: Path, name: str, reader: str) -> None:
    if reader not in ("model", "style"):
        pytest.importorskip("torch")
    (data, words), (read, file) = FILES[name], READERS[reader]
    path = tmp_path / file
    path.write_bytes(data)
    if reader == "config" and name in ("text", "answer", "empty", "annex"):
        words = "config.toml: "  # these are read as TOML, which has its own line
    if reader == "style" and name == "noise":
        words = "not a style"
    if reader == "checkpoint" and name in ("cut safetensors",):
        words = "truncated"
    with pytest.raises(ImpastoError) as caught:
        read(path)
    check_line(str(caught.value), words, file)
    path.unlink()
    with pytest.raises(ImpastoError, match=r"no such|there is no model file"):
        read(path)


def test_the_commands_say_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    Path("page").write_bytes(FILES["page"][0])
    Path("a.png").write_bytes(_picture())
    for words in (
        "lab import page page -o a.impasto",
        "lab train page",
        "lab export page -o a.impasto",
        "lab decoder no -o a.safetensors",
        "lab gallery . --works page",
        "stylize a.png a.png --model ./page",
        "stylize a.png a.png --model gatys --vgg page",
        "models page",
    ):
        error = CliRunner().invoke(cli, words.split()).exception
        assert isinstance(error, ImpastoError), (words, error)
        check_line(str(error), r"a web page|no such|is a file|cannot be read", "")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.png", "page"]


@pytest.mark.parametrize("prefix", ["", "module.", "decoder.", "model.module.", "net.decoder."])
@pytest.mark.parametrize("nested", [(), ("state_dict",), ("model", "state_dict")])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights_are_found_under_any_prefix(
    tmp_path: Path, prefix: str, nested: tuple[str, ...], suffix: str
) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    from impasto.lab.nets.state import read_weights, under_prefix

    own = {f"{key}.{part}": torch.full((2,), float(key)) for key in (1, 11) for part in "ab"}
    table: Any = {f"{prefix}{key}": value for key, value in own.items()}
    table |= {"encoder.9.a": torch.zeros(3)}
    path = tmp_path / f"x{suffix}"
    if suffix == ".safetensors":
        save_file({".".join((*nested, k)): v for k, v in table.items()}, path)
    else:
        for name in reversed(nested):
            table = {name: table, "epoch": 3, "optimizer": {"state": {0: torch.ones(2)}}}
        torch.save(table, path)
    found = under_prefix(read_weights(path), list(own))
    assert found.keys() == own.keys()
    assert all(torch.equal(found[key], own[key]) for key in own)


def test_vgg_and_decoder_are_found_in_a_checkpoint_of_somebody_else(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from lab_parts import vgg_weights

    from impasto.lab.methods.adain import Decoder, load_decoder
    from impasto.lab.nets.vgg import load_vgg

    vgg, decoder = vgg_weights("pytorch-AdaIN", last="conv1_2"), Decoder().convolutions
    torch.save(
        {
            "state_dict": {
                **{f"module.vgg.{k}": v for k, v in vgg.items()},
                **{f"module.decoder.{k}": v for k, v in decoder.state_dict().items()},
            },
            "epoch": 7,
        },
        tmp_path / "all.pth",
    )
    assert load_vgg(tmp_path / "all.pth").layers == ("relu1_1", "relu1_2")
    found = load_decoder(tmp_path / "all.pth").convolutions.state_dict()
    assert all(torch.equal(found[k], v) for k, v in decoder.state_dict().items())


def test_what_differs_is_counted_and_not_dumped(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from impasto.lab.methods.adain import Decoder, load_decoder
    from impasto.lab.nets.vgg import load_vgg

    weights = Decoder().convolutions.state_dict()
    del weights["28.bias"]
    weights["1.bias"] = torch.zeros(7)
    torch.save(weights, tmp_path / "d.pth")
    with pytest.raises(ModelError) as caught:
        load_decoder(tmp_path / "d.pth")
    assert "1 of 18 weights is missing (28.bias)" in str(caught.value)
    assert "1 has another shape (1.bias: 7 instead of 256)" in str(caught.value)
    torch.save({f"layer{i}.weight": torch.zeros(1) for i in range(50)}, tmp_path / "other.pth")
    for read in (load_decoder, load_vgg):
        with pytest.raises(ModelError) as caught:
            read(tmp_path / "other.pth")
        text = str(caught.value)
        assert "other.pth" in text and "50" in text and len(text) < 300


def test_objects_and_programs_of_pytorch_are_refused(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from impasto.lab.nets.state import read_weights

    torch.save(torch.nn.Linear(2, 2), tmp_path / "network.pth")
    with pytest.raises(ModelError, match=r"contains Python objects.*state_dict\(\)"):
        read_weights(tmp_path / "network.pth")
    torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2)).save(tmp_path / "script.pt")
    with pytest.raises(ModelError, match=r"a TorchScript archive.*state_dict\(\)"):
        read_weights(tmp_path / "script.pt")
    torch.save({"a": torch.ones(4)}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert torch.equal(read_weights(tmp_path / "old.pth")["a"], torch.ones(4))
    whole = (tmp_path / "old.pth").read_bytes()
    for part in (100, len(whole) - 8):
        (tmp_path / "old.pth").write_bytes(whole[:part])
        with pytest.raises(ModelError, match="damaged"):
            read_weights(tmp_path / "old.pth")


def test_a_model_is_recognized_in_the_wrong_place(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    write_bundle(make_tiny(), tmp_path / "tiny.pth")
    with pytest.raises(ModelError, match="is an Impasto model, not weights"):
        _vgg(tmp_path / "tiny.pth")
