"""Bundles: what is written is read again, and every damaged one is refused with one clear line."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import make_tiny

from impasto.errors import ModelError
from impasto.models import MODELS, Bundle, Level, bundle, find_bundle, read_bundle, write_bundle


def rewrite(source: Path, target: Path, **members: bytes | None) -> Path:
    """A copy of a bundle with other members; None leaves one out."""
    with zipfile.ZipFile(source) as before, zipfile.ZipFile(target, "w") as after:
        for name in before.namelist():
            data = members.get(name.partition(".")[0], before.read(name))
            if data is not None:
                after.writestr(name, data)
    return target


def refused(path: str | Path) -> str:
    with pytest.raises(ModelError) as caught:
        read_bundle(path)
    message = str(caught.value)
    assert "\n" not in message
    assert Path(path).name in message
    return message


def test_what_is_written_is_read(tiny_bundle: Bundle, tiny_path: Path) -> None:
    assert read_bundle(tiny_path) == tiny_bundle
    assert read_bundle(str(tiny_path)).identity == tiny_bundle.identity


def test_writing_is_deterministic_and_leaves_nothing_else(
    tiny_bundle: Bundle, tmp_path: Path
) -> None:
    first, second = tmp_path / "a.impasto", tmp_path / "b.impasto"
    write_bundle(tiny_bundle, first)
    write_bundle(replace(tiny_bundle, card=replace(tiny_bundle.card)), second)
    write_bundle(tiny_bundle, second, overwrite=True)
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:  # nor does the hour count
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert sorted(tmp_path.iterdir()) == [first, second]


@pytest.mark.parametrize("step", ["zipfile.ZipFile.writestr", "pathlib.Path.replace"])
def test_a_failed_write_keeps_the_old_file(
    tiny_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    target = tmp_path / "a.impasto"
    target.write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(step, full)
    with pytest.raises(ModelError, match=r"a\.impasto cannot be written .*No space left"):
        write_bundle(tiny_bundle, target, overwrite=True)
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"old"]


def test_writing_into_no_folder_or_onto_one(tiny_bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be written"):
        write_bundle(tiny_bundle, tmp_path / "none" / "a.impasto")
    with pytest.raises(ModelError, match="is a folder"):
        write_bundle(tiny_bundle, tmp_path)


def test_identity_is_of_the_graphs_alone(tiny_bundle: Bundle) -> None:
    renamed = replace(tiny_bundle, card=replace(tiny_bundle.card, name="other"))
    assert renamed.identity == tiny_bundle.identity
    assert make_tiny(seed=1).identity != tiny_bundle.identity
    assert len(tiny_bundle.identity) == 16
    assert int(tiny_bundle.identity, 16) >= 0


def test_no_file(tmp_path: Path) -> None:
    assert "there is no model file" in refused(tmp_path / "no.impasto")


def test_a_folder(tmp_path: Path) -> None:
    assert "is a folder" in refused(tmp_path)


@pytest.mark.parametrize("data", [b"", b"hello", b"\xff\xd8\xff" * 100])
def test_not_a_zip(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.impasto"
    path.write_bytes(data)
    assert "not an Impasto model" in refused(path)


def test_cut_off_anywhere(tiny_path: Path, tmp_path: Path) -> None:
    data = tiny_path.read_bytes()
    path = tmp_path / "x.impasto"
    for end in range(0, len(data), len(data) // 20):
        path.write_bytes(data[:end])
        refused(path)


def test_a_wrong_byte_anywhere(tiny_bundle: Bundle, tiny_path: Path, tmp_path: Path) -> None:
    data = tiny_path.read_bytes()
    path = tmp_path / "x.impasto"
    for place in range(0, len(data), len(data) // 50):
        path.write_bytes(data[:place] + bytes([data[place] ^ 255]) + data[place + 1 :])
        try:
            assert read_bundle(path) == tiny_bundle, "read as something else"  # a date, say
        except ModelError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("name", ["encoder", "decoder", "card"])
def test_a_member_is_missing(tiny_path: Path, tmp_path: Path, name: str) -> None:
    path = rewrite(tiny_path, tmp_path / "x.impasto", **{name: None})
    assert f"it has no {name}." in refused(path)


def test_a_bomb_is_not_unpacked(
    tiny_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle, "MAX_GRAPH_BYTES", 1 << 20)
    path = tmp_path / "x.impasto"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("card.json", zipfile.ZipFile(tiny_path).read("card.json"))
        archive.writestr("encoder.onnx", bytes(2 << 20))
        archive.writestr("decoder.onnx", b"")
    assert "has 2097152 bytes, more than the limit of 1048576" in refused(path)


def test_a_bomb_that_lies_about_its_size(tiny_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.impasto"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("card.json", zipfile.ZipFile(tiny_path).read("card.json"))
        archive.writestr("encoder.onnx", bytes(2 << 20))
        archive.writestr("decoder.onnx", b"")
    size = (2 << 20).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(size, (100).to_bytes(4, "little")))
    assert "damaged" in refused(path)


def test_card_that_is_not_json(tiny_path: Path, tmp_path: Path) -> None:
    for data in (b"", b"{", b"\xff\xfe\x00", b"[" * 100_000):
        path = rewrite(tiny_path, tmp_path / "x.impasto", card=data)
        assert "not JSON" in refused(path)


def change(name: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda card: card.update({name: value})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (change("format", 2), "its format is 2 and this Impasto reads 1; update Impasto"),
        (lambda card: card.pop("format"), "no 'format'"),
        (lambda card: card.pop("multiple"), "the card has no 'multiple'"),
        (change("margn", 8), "unknown field 'margn'"),
        (change("multiple", "4"), "'multiple' in the card must be int, not str '4'"),
        (change("multiple", 4.0), "must be int"),
        (change("multiple", True), "must be int"),
        (change("multiple", 0), "'multiple' must be 1 or more, not 0"),
        (change("multiple", 6), "stride 4 of level 'quarter'"),
        (change("rim", -1), "'rim' must be 0 or more, not -1"),
        (change("encoder_rim", -1), "'encoder_rim' must be 0 or more, not -1"),
        (change("encoder_rim", 1000), "'encoder_rim' must be at most 'rim', which is"),
        (change("margin", 6), "'margin' must be a multiple of 4"),
        (change("precision", "int8"), "'precision' must be one of fp32, bf16, not 'int8'"),
        (change("name", None), "'name' in the card must be str"),
        (change("levels", []), "has no levels"),
        (change("levels", {}), "'levels' in the card must be"),
        (change("levels", ["half"]), "level 0 of the card must be a JSON object, not str 'half'"),
        (
            change("levels", [{"name": "half", "channels": 12}]),
            "level 0 of the card has no 'stride'",
        ),
        (change("levels", [{"name": "a", "channels": 0, "stride": 2}]), "1 or more, not 0 and 2"),
        (change("losses", {"style": "low"}), "loss 'style' must be a finite number, not str 'low'"),
        (change("losses", {"style": float("nan")}), "loss 'style' must be a finite number"),
    ],
)
def test_wrong_cards(
    tiny_path: Path, tmp_path: Path, damage: Callable[[dict[str, Any]], object], message: str
) -> None:
    card = json.loads(zipfile.ZipFile(tiny_path).read("card.json"))
    damage(card)
    path = rewrite(tiny_path, tmp_path / "x.impasto", card=json.dumps(card).encode())
    assert message in refused(path)


@pytest.mark.parametrize("data", [b"[]", b"null", b"3"])
def test_card_that_is_no_object(tiny_path: Path, tmp_path: Path, data: bytes) -> None:
    path = rewrite(tiny_path, tmp_path / "x.impasto", card=data)
    assert "must be a JSON object" in refused(path)


def test_margin_may_be_absent(tiny_path: Path, tmp_path: Path) -> None:
    card = json.loads(zipfile.ZipFile(tiny_path).read("card.json"))
    del card["margin"]
    path = rewrite(tiny_path, tmp_path / "x.impasto", card=json.dumps(card).encode())
    assert read_bundle(path).card.margin == 0


def test_a_card_made_in_code_is_checked_too(tiny_bundle: Bundle) -> None:
    with pytest.raises(ModelError, match="stride 8"):
        replace(tiny_bundle.card, levels=(Level("eighth", 3, 8),))


def test_find_by_path(tiny_bundle: Bundle, tiny_path: Path) -> None:
    assert find_bundle(tiny_path) == find_bundle(str(tiny_path)) == tiny_bundle


def test_unknown_names() -> None:
    with pytest.raises(ModelError, match=r"no model 'fsat'; did you mean 'fast'\? known models"):
        find_bundle("fsat")
    with pytest.raises(ModelError, match=r"no model 'zebra'; known models are fast, quality"):
        find_bundle("zebra")
    with pytest.raises(ModelError, match=r"there is no model file .*zebra\.impasto"):
        find_bundle("zebra.impasto")


def test_a_name_wins_over_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("adain").write_text("no model")
    with pytest.raises(
        ModelError, match=r"'adain' is not in this installation: .*impasto lab import"
    ):
        find_bundle("adain")
    for path in (Path("adain"), "./adain"):
        with pytest.raises(ModelError, match="not an Impasto model"):
            find_bundle(path)


@pytest.mark.parametrize("row", MODELS, ids=lambda row: row.name)
def test_embedded_models(row: Any) -> None:
    if row.path is None:
        with pytest.raises(ModelError, match=f"{row.name!r} is not in this installation"):
            find_bundle(row.name)
        return
    assert row.path.stat().st_size <= 16e6
    assert find_bundle(row.name).card.name == row.name
