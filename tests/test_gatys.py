"""Gatys et al.: what is optimized is the picture that the user gets."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from lab_parts import SHARED, vgg_weights

import impasto
from impasto.images.photo import read_photo
from impasto.lab.evaluate.painters import JudgedAdaIN, adain_bundle
from impasto.lab.evaluate.pairs import PairOptions, draw_pairs, look_at
from impasto.lab.losses import STYLE_LAYERS, gram, style_loss
from impasto.lab.methods.gatys import Gatys, _goals
from impasto.lab.nets.vgg import load_vgg
from impasto.lab.optimize.method import Task
from impasto.lab.optimize.settings import set_options
from impasto.models.engine import open_engine
from impasto.painting.adain import AdaINPainter


@pytest.mark.parametrize("everywhere", [True, False])
def test_what_is_cut_off_again_has_no_style(tmp_path, everywhere):
    """The statistics of a photograph are its own, whatever lies in the margin around it."""
    torch.save(vgg_weights(last="conv1_2"), tmp_path / "vgg.pth")
    network = load_vgg(tmp_path / "vgg.pth")
    random = torch.Generator().manual_seed(0)
    photo, style, noise = (
        torch.rand(1, 3, *size, generator=random) for size in ((32, 48), (40, 40), (64, 80))
    )
    # relu1_1 sees a pixel further, so a pixel of the photograph is left out too.
    counted = torch.zeros(64, 80)
    counted[17:47, 17:63] = 1
    amounts = torch.tensor([0.3]) if everywhere else torch.full((1, 64, 80), 0.3)
    options = set_options(Gatys(), {"style_layers": "relu1_1", "content_layers": "relu1_1"})
    found = []
    for margin in (torch.zeros_like(noise), noise):
        content = margin.clone()
        content[..., 16:48, 16:64] = photo
        task = Task(content, (style,), (None,), amounts, counted=counted)
        seen = network(content, ["relu1_1"])
        (goal,) = _goals(task, options, network, seen, counted, (64, 80), 0)["relu1_1"]
        found.append((goal.wanted, gram(seen["relu1_1"], goal.guide)))
        assert goal.weight == pytest.approx(1)
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
    inside = gram(network(photo, ["relu1_1"])["relu1_1"][..., 1:-1, 1:-1])
    torch.testing.assert_close(found[0][1], inside, rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs real weights and pictures in ../shared")
def test_gatys_passes_adain_within_150_steps():
    file, decoder = (SHARED / "weights" / name for name in ("vgg_normalised.pth", "decoder.pth"))
    judge, bundle = load_vgg(file), adain_bundle(file, decoder)
    adain = JudgedAdaIN(AdaINPainter(bundle.card, open_engine(bundle), bundle.identity), "adain")
    options = {"content_layers": "relu4_1", "style_layers": ",".join(STYLE_LAYERS)}
    gatys = impasto.load("gatys", vgg=file, engine="cpu").with_settings(steps=150, options=options)
    photos, paintings = (
        str(SHARED / "data" / folder) for folder in ("photos/flickr8k", "paintings/louvre")
    )

    def features(image):
        tensor = torch.from_numpy(np.ascontiguousarray(image.clip(0, 1), np.float32))
        with torch.no_grad():
            return judge(tensor.permute(2, 0, 1)[None], STYLE_LAYERS)

    steps = []
    options = PairOptions(contents={photos: 1}, styles={paintings: 1}, count=5)
    for pair in draw_pairs(options).pairs:
        look = look_at(pair, 64)
        wanted = features(look.style)
        bar = float(style_loss(features(adain.paint(look).raw), wanted))

        def passed(progress, wanted=wanted, bar=bar):
            steps[-1] = progress.step
            if progress.step % 5:
                return False
            found = features(progress.picture())
            return bool(style_loss(found, wanted) < bar)

        steps.append(0)
        gatys.paint(look.content, read_photo(look.style), watch=passed)
    assert len(steps) == 5 and max(steps) < 150, steps
