"""Training: data that copes, configs that round-trip, a loop that learns and resumes exactly."""

from __future__ import annotations

import csv
import dataclasses
import math
import os
import resource
import signal
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lab_parts import applicable, changed, make_config, vgg_weights, write_pictures
from PIL import Image
from torch.nn import functional as F

import impasto
from impasto.errors import ModelError, OptionError
from impasto.lab.data.pictures import is_held_out
from impasto.lab.export.publish import publish_adain, publish_decoder, publish_run, publish_trained
from impasto.lab.export.scores import held_out_pairs
from impasto.lab.losses import CONTENT_LAYER, STYLE_LAYERS, content_loss, style_loss
from impasto.lab.methods.adain import DECODER
from impasto.lab.methods.compact import setup as compact_setup
from impasto.lab.methods.compact.finetune import finetune_config
from impasto.lab.methods.compact.network import FAST, QUALITY, Compact
from impasto.lab.methods.compact.reading import ReadingObjective
from impasto.lab.methods.style_swap import InverseObjective
from impasto.lab.nets.network import stylize
from impasto.lab.nets.normalization import adain
from impasto.lab.nets.state import read_weights
from impasto.lab.nets.vgg import load_vgg
from impasto.lab.training import batches, optimizers
from impasto.lab.training.checkpoints import (
    read_checkpoint,
    start_from,
    weights_of,
    write_checkpoint,
)
from impasto.lab.training.config import read_config, write_config
from impasto.lab.training.journal import Preview
from impasto.lab.training.loop import train
from impasto.lab.training.networks import NetworkRow, all_networks, find_network
from impasto.lab.training.objective import Objective
from impasto.lab.training.optimizers import (
    OPTIMIZERS,
    clip_gradients,
    learning_rate,
    parameter_groups,
)
from impasto.lab.training.setup import open_setup
from impasto.models import find_bundle, read_bundle

CONFIGS = Path(__file__).parents[1] / "configs"


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("training")
    torch.save(vgg_weights(), folder / "vgg.pth")
    return make_config(
        network="fast",
        vgg=str(folder / "vgg.pth"),
        contents={str(write_pictures(folder / "photos", 24)): 1.0},
        styles={
            str(write_pictures(folder / "paintings", 24, seed=1)): 1.0,
            str(write_pictures(folder / "textures", 24, seed=2)): 0.5,
        },
        iterations=4,
        batch=2,
        crop=32,
        optimizer="adam",  # Muon takes half the time of such small steps; one test resumes with it
        log_every=1,
        preview_every=4,
        warmup=1,
        checkpoint_seconds=0.0,
    )


def _losses(folder):
    return [float(row["loss"]) for row in _log(folder)]


def _log(folder):
    if not (folder / "log.csv").exists():
        return []
    with (folder / "log.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(autouse=True)
def small_previews(monkeypatch):
    monkeypatch.setattr(Preview, "side", 64)


def _stop_after(monkeypatch, folder, count, act):
    """Have ``act`` called in the step after ``count`` lines of the log."""
    steps = Objective.__call__

    def stopped(self, learned, batch):
        if len(_losses(folder)) == count:
            act()
        return steps(self, learned, batch)

    monkeypatch.setattr(Objective, "__call__", stopped)


@pytest.mark.parametrize(
    "change",
    [
        {"optimizer": "muon"},
        {"repeats": 2},
        {"network": "style-swap"},
        {"repeats": 2, "larger": 48, "wasserstein": 1.0},
    ],
    ids=("muon", "repeats", "style-swap", "two-sizes"),
)
def test_resume_gives_the_losses_of_an_uninterrupted_run(config, tmp_path, monkeypatch, change):
    monkeypatch.setattr(batches, "BLOCK", 3)
    iterations = 4 * change.get("repeats", 1)  # with repeats: into the second block
    config = changed(config, iterations=iterations, preview_every=0, **change)
    train(config, tmp_path / "whole")
    for stop in sorted({2, 3, iterations - 1}):  # in a block and between two
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt, match=f"step {stop}"):
            _stop_after(
                patch, tmp_path / "parts", stop - 1, lambda: signal.raise_signal(signal.SIGINT)
            )
            train(config, tmp_path / "parts")
        assert len(_losses(tmp_path / "parts")) == stop  # the step is ended first
    train(config, tmp_path / "parts")
    assert _losses(tmp_path / "parts") == _losses(tmp_path / "whole")
    assert len(_losses(tmp_path / "whole")) == iterations
    assert _same(tmp_path / "whole", tmp_path / "parts")


def _same(one, two):
    saved = [read_checkpoint(folder / "checkpoint.pt") for folder in (one, two)]
    first, second = (each["average"] for each in saved)
    return all(torch.equal(value, second[name]) for name, value in first.items())


def test_a_run_that_broke_off_goes_on_from_its_checkpoint(config, tmp_path, monkeypatch):
    config = changed(config, preview_every=0)
    train(config, tmp_path / "whole")

    def crash():
        raise RuntimeError("the machine went down")

    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="went down"):
        _stop_after(patch, tmp_path / "parts", 2, crash)
        patch.setattr("impasto.lab.training.loop.write_checkpoint", _only_first(write_checkpoint))
        train(config, tmp_path / "parts")
    assert len(_losses(tmp_path / "parts")) == 2
    assert read_checkpoint(tmp_path / "parts" / "checkpoint.pt")["step"] == 1
    train(config, tmp_path / "parts")  # the second line of the log goes
    assert _losses(tmp_path / "parts") == _losses(tmp_path / "whole")
    assert _same(tmp_path / "whole", tmp_path / "parts")


def _only_first(function):
    calls = []

    def first(*arguments):
        calls.append(arguments)
        if len(calls) == 1:
            function(*arguments)

    return first


def test_a_full_disk_loses_nothing_that_was_saved(config, tmp_path):
    config = changed(config, preview_every=0)
    train(changed(config, iterations=1), tmp_path)
    before = (tmp_path / "checkpoint.pt").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))  # as if it were full
    try:
        with pytest.raises(
            ModelError, match=r"cannot be written.*step 1 is unchanged.*free disk space"
        ):
            train(config, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before
    assert not list(tmp_path.glob(".impasto-*"))
    train(config, tmp_path)
    assert read_checkpoint(tmp_path / "checkpoint.pt")["step"] == config.iterations


def test_parts_and_processes_are_one_joint_batch(config, tmp_path):
    """Gradients (Adam's first moment holds them) and losses, in one process, in parts, in two
    processes, and in two processes that one process goes on from."""
    joint = changed(
        config, batch=4, optimizer="adam", schedule="inverse", precision="fp32", iterations=2,
        preview_every=0, clip=0.0, wasserstein=0.5,
    )  # fmt: skip
    train(joint, tmp_path / "joint")
    train(changed(joint, accumulate=2), tmp_path / "parts")
    write_config(changed(joint, iterations=1), tmp_path / "two.toml")
    command = (
        "-m torch.distributed.run --standalone --nproc-per-node 2 -m impasto lab train "
        f"{tmp_path / 'two.toml'} -o {tmp_path / 'two'} --no-export"
    )
    done = subprocess.run(
        [sys.executable, *command.split()],
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert read_checkpoint(tmp_path / "two" / "checkpoint.pt")["step"] == 1
    train(joint, tmp_path / "two")
    wanted = read_checkpoint(tmp_path / "joint" / "checkpoint.pt")
    for way in ("parts", "two"):
        assert _losses(tmp_path / way) == pytest.approx(_losses(tmp_path / "joint"), rel=1e-4)
        saved = read_checkpoint(tmp_path / way / "checkpoint.pt")
        ours = saved["optimizer"]["state"]
        for i, state in wanted["optimizer"]["state"].items():
            difference = (ours[i]["exp_avg"] - state["exp_avg"]).norm()
            assert difference <= 1e-3 * state["exp_avg"].norm() + 1e-7
    with pytest.raises(OptionError, match="3 equal parts"):
        train(changed(joint, accumulate=3), tmp_path / "three")


def test_a_reader_is_trained_apart_and_given_to_a_network(config, tmp_path, monkeypatch):
    monkeypatch.setattr(
        compact_setup, "VIEWS", 8
    )  # of 16 crops: enough for axes that nothing here judges
    apart = changed(config, network="reader", distill_features=1.0, preview_every=1)
    first = read_checkpoint(train(apart, tmp_path / "reader"))["average"]
    assert not list((tmp_path / "reader").glob("*.png")) and len(_losses(tmp_path / "reader")) == 4
    eye = str(tmp_path / "reader" / "checkpoint.pt")
    still = {"eye": eye, "iterations": 1, "learning_rate": 1e-9, "ema": 0.0}
    joint = changed(config, **still, style_rate=2.0)
    saved = read_checkpoint(train(joint, tmp_path / "joint"))["average"]
    for name in ("stem.weight", "downs.1.weight", "blocks.2.1.second.bias", "maps.2.weight"):
        given = first[f"module.{name}"]
        assert torch.allclose(saved[f"module.reader.eye.{name}"], given, atol=1e-6)
    # Who goes on with a network goes on with its eye: the reader learns, the eye stays.
    onward = changed(config, start=str(tmp_path / "joint/checkpoint.pt"), iterations=1, ema=0.0)
    later = read_checkpoint(train(onward, tmp_path / "onward"))["average"]
    for name, value in saved.items():
        if name.startswith("module.reader.eye."):
            assert torch.equal(later[name], value), name
    name = "module.reader.says.weight"
    assert not torch.allclose(later[name], saved[name], atol=1e-6)
    for run in (joint, onward):
        for begun in (False, True):
            learned = open_setup(
                run, find_network("fast"), torch.device("cpu"), begun=begun
            ).learned
            held = {n for n, p in learned.named_parameters() if not p.requires_grad}
            own = {"reader.axes.weight", "reader.axes.bias"}
            assert held == own | {n for n in dict(learned.named_parameters()) if ".eye." in n}
    # A run that has begun needs neither what it started with nor another look through the eye.
    for name, run, needed in (("joint", joint, "reader"), ("onward", onward, "joint")):
        source = tmp_path / needed / "checkpoint.pt"
        source.rename(tmp_path / "gone.pt")
        longer = changed(run, iterations=2)
        again = read_checkpoint(train(longer, tmp_path / name))
        assert again["step"] == 2 and len(again["stages"]) == 1 + (name == "onward")
        (tmp_path / "gone.pt").rename(source)
    # The eye of a network serves another one, whose encoder says other things of a style.
    again = changed(joint, network="quality", eye=str(tmp_path / "joint/checkpoint.pt"))
    saved = read_checkpoint(train(again, tmp_path / "again"))["average"]
    given = first["module.stem.weight"]
    assert torch.allclose(saved["module.reader.eye.stem.weight"], given, atol=1e-6)
    further = changed(apart, **still | {"eye": str(tmp_path / "joint/checkpoint.pt")})
    saved = read_checkpoint(train(further, tmp_path / "further"))["average"]
    assert torch.allclose(saved["module.stem.weight"], given, atol=1e-6)
    with pytest.raises(OptionError, match="'adain' has no 'eye'"):
        train(changed(config, network="adain", eye=eye), tmp_path / "adain")
    blind = {"average": {"module.stem.weight": torch.zeros(1)}, "step": 0, "stages": []}
    write_checkpoint(tmp_path / "blind.pt", blind)
    with pytest.raises(ModelError, match="contains no eye"):
        train(changed(config, eye=str(tmp_path / "blind.pt")), tmp_path / "x")


@pytest.mark.parametrize(
    "row",
    [row for row in all_networks() if isinstance(row, NetworkRow)],
    ids=lambda row: row.name,
)
def test_every_network_can_be_trained(config, row):
    torch.manual_seed(0)
    judge = load_vgg(config.vgg)
    own = applicable(row.name, mesh=1.0, colors=1.0)
    more = {"distill_features": 1.0} if row.name == "reader" else {}
    exact = changed(config, network=row.name, precision="fp32", **own, **more)
    objective = row.objective(exact, judge, paint=row.painted, features=row.layer(exact.method))
    learned = row.build(row.tables.method())
    if isinstance(learned, Compact):  # its reader starts with no say
        torch.nn.init.normal_(learned.reader.says.weight, std=0.1)
    batch = objective.prepare(torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32))
    loss, terms = objective(learned, batch)
    loss.backward()
    expected = {
        InverseObjective: {"content", "variation", "identity"},
        ReadingObjective: {"style", "distill_features"},
    }
    painted = {"content", "style", "variation", "identity", *own}
    assert set(terms) == expected.get(row.objective, painted)
    moving = [p for p in learned.parameters() if p.requires_grad]
    assert moving and all(p.grad is not None and p.grad.abs().sum() > 0 for p in moving)
    if row.assembled is None:
        assert row.remark
        return
    learned.eval()
    network = row.assembled(learned, judge)
    assert not row.part or hasattr(network, row.part[:-1])
    with torch.no_grad():  # what is exported paints the same, within the margin of its card
        margin = row.margin
        padded = (
            F.pad(each, (margin,) * 4, mode="reflect") for each in (batch.contents, batch.styles)
        )
        wanted = stylize(network, *padded, unaligned=batch.unaligned)
        wanted = wanted[..., margin : margin + 32, margin : margin + 32]
        assert torch.allclose(objective.pictures(learned, batch), wanted, atol=1e-3)


@pytest.mark.parametrize("name", ["fast", "adain", "adain-concat", "adain-bn", "reader"])
def test_a_step_stays_on_its_device(config, name, monkeypatch):
    """``meta`` is a device that every machine has: a tensor of the processor's does not go with it,
    nor does a question for a number, which would let a real device wait."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # knows no such device
    row, device = find_network(name), torch.device("meta")
    terms = applicable(name, mesh=1.0, colors=1.0, wasserstein=1.0, style_rate=0.5)
    if name == "reader":
        terms["distill_features"] = 1.0
    exact = changed(config, network=name, **terms)
    judge = load_vgg(config.vgg).to(device)
    objective = row.objective(exact, judge, paint=row.painted, features=row.layer(exact.method))
    learned = row.build(row.tables.method()).to(device, memory_format=torch.channels_last)
    pictures = torch.rand(2, 4, 3, 32, 32, device=device)
    loss, _ = objective(learned, objective.prepare(*pictures))
    loss.backward()
    moving = [p for p in learned.parameters() if p.requires_grad]
    for optimizer in OPTIMIZERS.values():
        optimizer(parameter_groups(exact, learned, moving), 1e-3).step()
    assert clip_gradients(moving, 1.0).device == loss.device == device


def test_a_finished_run_leaves_a_bundle_that_paints_and_can_be_trained_further(config, tmp_path):
    once = changed(config, iterations=1, preview_every=0, score_pairs=2, score_size=64)
    train(once, tmp_path / "mine")
    assert not list((tmp_path / "mine").glob("*.impasto"))
    assert publish_trained(tmp_path / "mine") == tmp_path / "mine" / "mine.impasto"
    model = impasto.load(tmp_path / "mine" / "mine.impasto", precision="fp32")
    assert model.card.name == "mine" and model.card.iterations == 1
    assert set(model.card.losses) == {
        f"held_out_{what}_64" for what in ("content", "style", "identity_psnr")
    }
    # They are those of the pictures that the studio paints.
    judge = load_vgg(config.vgg)
    pairs = held_out_pairs(config.data.contents, config.data.styles, n=2, size=64)
    found = {"content": 0.0, "style": 0.0}
    for content, style in zip(*pairs, strict=True):
        arrays = (each.movedim(0, -1).numpy() for each in (content, style))
        painted = torch.from_numpy(model.stylize(*arrays)).movedim(-1, 0)[None]
        with torch.no_grad():
            got, wanted, seen = (
                judge(each, STYLE_LAYERS) for each in (painted, style[None], content[None])
            )
        target = adain(seen[CONTENT_LAYER], wanted[CONTENT_LAYER])
        found["content"] += float(content_loss(got[CONTENT_LAYER], target)) / 2
        found["style"] += float(style_loss(got, wanted)) / 2
    for what, loss in found.items():
        assert model.card.losses[f"held_out_{what}_64"] == pytest.approx(loss, abs=1e-3, rel=1e-3)
    photo = Image.new("RGB", (50, 40), "red")
    assert model.stylize(photo, photo).size == (50, 40)
    more = changed(once, start=str(tmp_path / "mine" / "mine.impasto"))
    train(more, tmp_path / "more")
    publish_trained(tmp_path / "more")
    card = read_bundle(tmp_path / "more" / "more.impasto").card
    assert card.iterations == 2 and "trained further" in card.notes
    written = (tmp_path / "more" / "more.impasto").stat().st_mtime_ns
    train(more, tmp_path / "more")  # nothing left to do
    publish_trained(tmp_path / "more")
    assert (tmp_path / "more" / "more.impasto").stat().st_mtime_ns == written
    # On other held-out pictures it has other losses, and its card tells the same story.
    shown = {str(write_pictures(tmp_path / "others", 12, seed=3)): 1.0}
    write_config(changed(more, styles=shown), tmp_path / "others.toml")
    other = publish_run(
        tmp_path / "more", tmp_path / "more.impasto", pairs_of=tmp_path / "others.toml"
    ).card
    assert other.losses["held_out_style_64"] != card.losses["held_out_style_64"]
    assert dataclasses.replace(other, losses=card.losses) == card


def test_networks_that_no_bundle_can_hold_say_so(config, tmp_path):
    alone = changed(config, network="adain-concat", iterations=1, preview_every=0)
    train(alone, tmp_path / "run")
    assert publish_trained(tmp_path / "run") is None
    assert not list((tmp_path / "run").glob("*.impasto"))
    with pytest.raises(OptionError, match=r"adain-concat cannot be exported: .*moments"):
        publish_run(tmp_path / "run", tmp_path / "a.impasto")


def test_a_decoder_is_kept_alone_imported_and_trained_further(config, tmp_path):
    once = changed(config, network="adain", iterations=1, preview_every=0)
    train(once, tmp_path / "run")
    path = tmp_path / "decoder.safetensors"
    publish_decoder(tmp_path / "run", path)
    weights = read_weights(path)
    assert set(weights) == {f"{key}.{kind}" for key, *_ in DECODER for kind in ("weight", "bias")}
    assert {each.dtype for each in weights.values()} == {torch.float16}
    saved = read_checkpoint(tmp_path / "run" / "checkpoint.pt")["average"]
    torch.testing.assert_close(
        weights["28.weight"].float(), saved["module.convolutions.28.weight"], atol=1e-3, rtol=1e-3
    )
    bundle = publish_adain(config.vgg, path, tmp_path / "adain.impasto")
    assert bundle.card.iterations == 1 and "1 steps of 2 pairs" in bundle.card.notes
    assert "photos 100 %" in bundle.card.data
    # In bfloat16 its tiles would not be the whole picture.
    assert bundle.card.precision == "fp32"
    train(changed(once, start=str(path)), tmp_path / "more")
    stages = read_checkpoint(tmp_path / "more" / "checkpoint.pt")["stages"]
    assert [stage["iterations"] for stage in stages] == [1, 1]

    with pytest.raises(OptionError, match=r"must be saved as NAME\.safetensors"):
        publish_decoder(tmp_path / "run", tmp_path / "decoder.pth")
    train(changed(config, iterations=1), tmp_path / "fast")
    with pytest.raises(OptionError, match="trains 'fast'"):
        publish_decoder(tmp_path / "fast", path, overwrite=True)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ModelError, match="not weights"):
        publish_adain(config.vgg, path, tmp_path / "adain.impasto", overwrite=True)


def test_another_network_or_optimizer_does_not_go_on_from_a_checkpoint(config, tmp_path):
    once = changed(config, iterations=1, preview_every=0)
    train(once, tmp_path)
    for change, message in ({"network": "quality"}, "fit"), ({"optimizer": "muon"}, "optimizer"):
        with pytest.raises(ModelError, match=message):
            train(changed(once, iterations=2, **change), tmp_path)
    assert read_config(tmp_path / "config.toml") == once


def test_broken_files_are_listed_in_the_run_folder(config, tmp_path):
    folder = write_pictures(tmp_path / "photos", 40)
    for name in ("1.png", "2.png"):  # a twentieth
        (folder / name).write_bytes((folder / name).read_bytes()[:200])
    broken = changed(config, contents={str(folder): 1.0}, iterations=2, preview_every=0, memory=1.0)
    train(broken, tmp_path / "run")
    with (tmp_path / "run" / "left-out.csv").open() as file:
        rows = {Path(row["file"]).name: row["reason"] for row in csv.DictReader(file)}
    assert set(rows) == {"1.png", "2.png"} - {n for n in ("1.png", "2.png") if is_held_out(n)}
    assert rows and all(rows.values())


def test_a_single_painting_is_no_collection(config, tmp_path):
    alone = write_pictures(tmp_path / "one", 1)
    with pytest.raises(OptionError, match=r"1 usable painting, .*needs at least 2"):
        train(changed(config, styles={str(alone): 1.0}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_tensorboard_gets_the_curves_and_the_sheets(config, tmp_path):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    once = changed(config, iterations=2, preview_every=2, tensorboard=True)
    train(once, tmp_path)
    events = reader.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    curve = [event.value for event in events.Scalars("log/loss")]
    assert curve == pytest.approx(_losses(tmp_path), rel=1e-5)
    assert events.Scalars("held-out/style")[0].step == 2
    assert events.Images("preview")[0].width == 7 * 64


def test_tensorboard_that_is_missing_is_named_with_its_command(config, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    asked = changed(config, tensorboard=True)
    with pytest.raises(OptionError, match=r"pip install 'impasto\[tensorboard\]'"):
        train(asked, tmp_path)


def test_finetuning_starts_from_a_model_that_ships(config, tmp_path):
    settings = finetune_config("photos", "paintings", vgg=config.vgg, model="fast")
    learned = Compact(FAST)
    (stage,) = start_from(learned, settings.start)
    assert stage["iterations"] > 0 and stage["data"]
    wanted = weights_of(find_bundle("fast"))
    assert all(torch.equal(learned.state_dict()[name], value) for name, value in wanted.items())
    for bad, error, message in (
        ({"vgg": None}, ModelError, r"--vgg or set IMPASTO_VGG"),
        ({"vgg": "gone.pth"}, ModelError, r"gone.pth.*vgg_normalised"),
        ({"model": "adain"}, OptionError, "adain"),
    ):
        with pytest.raises(error, match=message):
            finetune_config("photos", "paintings", **{"vgg": config.vgg, **bad})


def test_the_command_line_says_in_a_line_what_is_wrong(config, tmp_path):
    write_config(changed(config, contents={"gone": 1.0}), tmp_path / "a.toml")
    environment = {k: v for k, v in os.environ.items() if k != "IMPASTO_VGG"}
    for arguments, message in (
        (["train", tmp_path / "a.toml", "-o", tmp_path / "run"], "gone: no such folder"),
        (["finetune", "photos", "paintings", "-o", tmp_path / "run"], "IMPASTO_VGG"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "impasto", "lab", *map(str, arguments)],
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 2
        assert message in done.stderr and len(done.stderr.splitlines()) == 1
        assert not (tmp_path / "run").exists()


def test_a_run_folder_says_all_and_its_result_starts_another(config, tmp_path):
    checkpoint = train(changed(config, iterations=1), tmp_path)
    assert read_config(tmp_path / "config.toml") == changed(config, iterations=1)
    with Image.open(tmp_path / "preview-000001.png") as sheet:
        assert sheet.size == (7 * 64, 4 * 64)
    with (tmp_path / "held-out.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["step"] == "1" and float(row["style"]) > 0
    network = Compact(FAST)
    start_from(network, checkpoint)
    saved = torch.load(checkpoint, weights_only=True)["average"]
    for name, value in network.state_dict().items():
        assert torch.equal(value, saved[f"module.{name}"])
    with pytest.raises(ModelError, match="does not fit"):
        start_from(Compact(QUALITY), checkpoint)


def test_learns_the_identity(config, tmp_path):
    """Thirty steps bring the L1 distance at alpha = 0 well down: gradients flow the right way."""
    alone = changed(
        config, iterations=30, content=0.0, style=0.0, identity=10.0, preview_every=0,
        learning_rate=3e-3,
    )  # fmt: skip
    train(alone, tmp_path)
    losses = _losses(tmp_path)
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])


def test_what_the_rim_changes_is_a_term(config, tmp_path):
    kept = changed(
        config, crop=80, rim=100.0, iterations=20, content=0.0, style=0.0, mesh=0.0,
        identity=0.0, preview_every=0, learning_rate=2e-3, repeats=2,
    )  # fmt: skip
    train(kept, tmp_path)
    with (tmp_path / "log.csv").open() as file:
        rim = [float(row["rim"]) for row in csv.DictReader(file)]
    assert min(rim) > 0 and np.mean(rim[-5:]) < 0.7 * np.mean(rim[:5])
    joint = changed(kept, batch=4, iterations=1, precision="fp32", repeats=1)
    for parts in (1, 2):  # one pair of four is asked: the second part has none of it
        folder = tmp_path / f"in-{parts}"
        train(changed(joint, accumulate=parts), folder)
    assert _losses(tmp_path / "in-2") == pytest.approx(_losses(tmp_path / "in-1"), rel=1e-4)
    with pytest.raises(OptionError, match="larger than its margin of 64 px"):
        train(changed(kept, crop=64), tmp_path / "small")
    with pytest.raises(OptionError, match="'adain' has no 'rim'"):
        train(changed(kept, network="adain", rim=1.0), tmp_path / "adain")
    with pytest.raises(OptionError, match="larger than its margin of 16 px"):
        train(changed(config, crop=16), tmp_path / "tiny")


def test_the_log_has_every_step_of_a_run_that_was_stopped(config, tmp_path, monkeypatch):
    every = changed(config, iterations=7, preview_every=0)
    train(every, tmp_path / "every")
    single = [float(row["loss"]) for row in _log(tmp_path / "every")]
    rare = changed(every, log_every=3)
    count = iter(range(100))
    steps = Objective.__call__

    def stopped(self, learned, batch):
        if next(count) == 3:
            signal.raise_signal(signal.SIGINT)
        return steps(self, learned, batch)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt, match="step 4"):
        patch.setattr(Objective, "__call__", stopped)
        train(rare, tmp_path / "rare")
    train(rare, tmp_path / "rare")
    rows = {int(row["step"]): float(row["loss"]) for row in _log(tmp_path / "rare")}
    wanted = {3: single[:3], 4: single[3:4], 6: single[4:6], 7: single[6:]}
    assert rows == {step: pytest.approx(np.mean(each), rel=1e-4) for step, each in wanted.items()}


def test_a_run_can_be_given_minutes(config, tmp_path, monkeypatch):
    """By a clock by which a step takes three quarters of a second on every machine."""
    steps, begun = Objective.__call__, []

    def counted(self, learned, batch):
        begun.append(batch)
        return steps(self, learned, batch)

    monkeypatch.setattr(Objective, "__call__", counted)
    clock = SimpleNamespace(monotonic=lambda: 0.75 * len(begun))
    monkeypatch.setattr(optimizers, "time", clock)
    timed = changed(config, iterations=10**6, minutes=0.05, warmup=0, log_every=1, preview_every=0)
    train(timed, tmp_path)  # it ends by itself
    rates = [float(row["learning_rate"]) for row in _log(tmp_path)]
    # The cosine falls along the time: of 4 steps the first has all of it, the last is at 3/4.
    options = config.optimizer
    falls = [(1 + math.cos(math.pi * step / 4)) / 2 for step in range(4)]
    shares = [options.final_rate + (1 - options.final_rate) * fall for fall in falls]
    assert rates == pytest.approx([options.learning_rate * share for share in shares], rel=1e-4)
    saved = read_checkpoint(tmp_path / "checkpoint.pt")
    assert saved["step"] == 4 and saved["seconds"] == 3
    train(timed, tmp_path)  # its time is over
    assert read_checkpoint(tmp_path / "checkpoint.pt")["step"] == len(begun) == 4
    assert learning_rate(config, 0, 1.0) < learning_rate(config, 0, 0.5) < learning_rate(config, 0)
    with pytest.raises(OptionError, match="minutes"):
        changed(config, minutes=-1.0)
