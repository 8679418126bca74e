"""A decoder in int8 for a bundle: its convolutions quantized, calibrated and measured.

The encoder stays in single precision: where a photograph is smooth, AdaIN amplifies its weak
features to the deviation of the style, and the int8 steps with them; a sky showed bands 50 of 255
apart. After the alignment, features have the scale of the style's. There the convolutions compute
in int8 except the last three, next to the pixels, which would cost 2 dB for a tenth of the work.
Alignment and sums are in single precision.

Inputs and outputs of a convolution have 256 steps in a fixed range, which must cover all pictures:
it is calibrated on many photographs in many styles, including those with the largest moments.
"""

from __future__ import annotations

import contextlib
import io
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from impasto.controls.affine import adain
from impasto.errors import ModelError, StyleError
from impasto.lab.data.pictures import squares
from impasto.lab.methods.compact.comb import PREFIX as COMB
from impasto.models import Bundle, bundle_file, find_bundle, open_engine, write_bundle
from impasto.models.engine import Engine, decoder_feed
from impasto.styles.library import list_styles
from impasto.styles.style import Style
from impasto.stylizer import Stylizer, stylizer_of

try:
    import onnx
except ModuleNotFoundError as error:  # pragma: no cover - the test machine has it
    raise ModelError("quantizing needs onnx; pip install 'impasto[lab]'") from error

LEAST_MEAN, LEAST_MIN = 36.0, 30.0
"""Required PSNR to single precision in dB, mean and minimum over the pairs."""

# Percentage of the inputs and outputs of a convolution within its range; values beyond are cut
# off. More would improve styles with the largest moments (by up to 8 dB), but be coarser in smooth
# areas, where steps are visible.
_PERCENTILE = 99.99

# Weights use 7 of 8 bits: processors without VNNI add two products in 16 bits, which could
# overflow otherwise. It costs 0.3 dB.
_SEVEN_BITS = True

# Convolutions at the end that stay in single precision, and those of the filter behind them.
_EXACT = 3
_COMB = f"/{COMB.rstrip('.')}/"

_JUDGED_PHOTOGRAPHS, _JUDGED_STYLES, _LOUD = 3, 10, 5

Feed: TypeAlias = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Amount of data for calibrating and judging decoders.

    Attributes:
        photographs: number for calibration.
        styles: number in which each photograph is painted for it; they take turns.
        pictures: number of styles that are read, where a folder of them is given.
        side: of the squares for calibration, in pixels.
        judged_side: of the judged squares.
    """

    photographs: int = 24
    styles: int = 4
    pictures: int = 48
    side: int = 256
    judged_side: int = 512


def quantize_bundle(
    model: str | Path,
    photographs: str | Path,
    target: str | Path,
    *,
    paintings: str | Path | None = None,
    calibration: Calibration = Calibration(),
    overwrite: bool = False,
    watch: Callable[[str], object] | None = None,
) -> Bundle:
    """Add an int8 decoder to a bundle, or replace an existing one.

    The other graphs, and with them the identity that styles depend on, stay unchanged.

    Args:
        model: name or file of the bundle.
        photographs: folder of photographs. A tenth of them, by name, is held out to judge the
            decoder; it is calibrated with others.
        target: the file to write, which may be that of the model.
        paintings: folder of pictures to read styles from, which are added to the gallery's styles
            for the model.
        calibration: amount of calibration data.
        overwrite: replace a file of that name.
        watch: called with a line before every step.

    Returns:
        The written bundle.

    Raises:
        ImageError: if a folder is missing or has no usable picture.
        ModelError: if there is no such model, or its styles are built in, or its pictures in int8
            are too far from those in single precision; nothing is written then.
        StyleError: if there is no style for calibration.

    Example:
        >>> quantize_bundle("fast", "photographs", "fast.impasto")           # doctest: +SKIP
    """
    target = bundle_file(target, overwrite=overwrite)
    told = watch or (lambda line: None)
    bundle = find_bundle(model)
    if bundle.card.styles:
        raise ModelError(
            f"model {bundle.card.name!r} has its styles built in; only encoders and decoders for "
            "any style are quantized"
        )
    told("reading styles")
    # ONNX Runtime is imported here, without its telemetry, before its tools below.
    exact = stylizer_of(bundle, open_engine(bundle, name="onnxruntime", precision="fp32"))
    styles = calibration_styles(exact, paintings, calibration)
    told("calibrating")
    made = with_int8(bundle, _contents(exact, photographs, calibration), styles, calibration)
    told("comparing pictures")
    found = distances(
        exact,
        stylizer_of(made, open_engine(made, name="onnxruntime", precision="int8")),
        _squares(photographs, _JUDGED_PHOTOGRAPHS, calibration.judged_side, held_out=True),
        judged_styles(styles),
    )
    mean, least = float(np.mean(found)), min(found)
    if mean < LEAST_MEAN or least < LEAST_MIN:
        raise ModelError(
            f"in int8 the pictures of model {bundle.card.name!r} have a PSNR of {mean:.1f} dB to "
            f"those in single precision ({least:.1f} dB at worst), where {LEAST_MEAN:.0f} and "
            f"{LEAST_MIN:.0f} are needed; calibrate with more photographs and styles"
        )
    line = f"{made.card.int8}; PSNR of {len(found)} pairs at {calibration.judged_side} px"
    psnr = {"mean": round(mean, 2), "min": round(least, 2)}
    made = replace(made, card=replace(made.card, int8=line, int8_psnr=psnr))
    write_bundle(made, target, overwrite=overwrite)
    return made


def with_int8(
    bundle: Bundle,
    contents: Sequence[NDArray[np.float32]],
    styles: Sequence[Style],
    calibration: Calibration = Calibration(),
) -> Bundle:
    """Make a bundle with an int8 decoder, without judging it.

    Args:
        bundle: the model.
        contents: photographs for calibration, (3, H, W) in [0, 1] with the model's margin.
        styles: to paint them in, each by the next ones in turn.
        calibration: sets the number of styles for each.

    Example:
        >>> with_int8(bundle, contents, styles).card.int8                    # doctest: +SKIP
        '4 styles on 2 photographs, percentile 99.99'
    """
    engine = open_engine(bundle, name="onnxruntime", precision="fp32")
    feeds = _decoder_feeds(engine, contents, styles, calibration.styles)
    decoder = _quantized(bundle.decoder, feeds)
    line = f"{len(styles)} styles on {len(contents)} photographs, percentile {_PERCENTILE:g}"
    return replace(bundle, card=replace(bundle.card, int8=line, int8_psnr={}), decoder_int8=decoder)


def distances(
    exact: Stylizer,
    other: Stylizer,
    photographs: Sequence[NDArray[np.float32]],
    styles: Sequence[Style],
) -> list[float]:
    """Return the PSNR in dB between two stylizers, for every photograph in every style.

    Args:
        exact: paints the reference.
        other: paints the same model in another way.
        photographs: (H, W, 3) in [0, 1].
        styles: of the model.
    """
    found = []
    for photograph in photographs:
        contents = [(each, each.encode(photograph)) for each in (exact, other)]
        for style in styles:
            one, two = (each.paint(content, style).image for each, content in contents)
            error = float(np.mean((one.astype(np.float64) - two) ** 2))
            found.append(-10 * math.log10(max(error, 1e-10)))
    return found


def calibration_styles(
    stylizer: Stylizer, paintings: str | Path | None, calibration: Calibration = Calibration()
) -> list[Style]:
    """Return the gallery's styles for a model, and those of pictures in a folder.

    Raises:
        StyleError: if there is none.
    """
    entries = list_styles(model=stylizer.identity, own=False)
    styles = [each.style for each in entries if each.style is not None]
    if paintings is not None:
        pictures = _squares(paintings, calibration.pictures, calibration.side, held_out=False)
        styles += [stylizer.style(each) for each in pictures]
    if not styles:
        raise StyleError(
            f"the gallery has no style for model {stylizer.name!r} ({stylizer.identity}); give a "
            "folder of paintings"
        )
    return styles


def judged_styles(styles: Sequence[Style]) -> list[Style]:
    """Return the styles for judging int8: the loudest, which fit worst, and others evenly."""
    ranked = sorted(styles, key=loudness, reverse=True)
    rest = ranked[_LOUD:]
    count = _JUDGED_STYLES - _LOUD
    return [*ranked[:_LOUD], *rest[:: max(1, len(rest) // count)][:count]]


def loudness(style: Style) -> float:
    """Return the loudness of a style: its mean deviation at the level with the most channels."""
    return float(max((level.std for level in style.moments), key=len).mean())


def _contents(
    exact: Stylizer, photographs: str | Path, calibration: Calibration
) -> list[NDArray[np.float32]]:
    pictures = _squares(photographs, calibration.photographs, calibration.side, held_out=False)
    return [content_planes(exact, each) for each in pictures]


def content_planes(stylizer: Stylizer, photograph: NDArray[np.float32]) -> NDArray[np.float32]:
    """Convert a photograph (H, W, 3) to encoder input, (3, H, W) with the model's margin."""
    content: Any = stylizer.encode(photograph)
    planes: NDArray[np.float32] = content.planes
    return planes


def _squares(
    folder: str | Path, count: int, side: int, *, held_out: bool
) -> list[NDArray[np.float32]]:
    found = squares({str(folder): 1.0}, n=count, size=side, seed=0, held_out=held_out)
    return list(found.permute(0, 2, 3, 1).contiguous().numpy())


def _decoder_feeds(
    engine: Engine,
    contents: Sequence[NDArray[np.float32]],
    styles: Sequence[Style],
    each: int,
) -> Iterator[Feed]:
    """Yield decoder inputs: photographs in styles, and unchanged, which is strength 0."""
    for number, planes in enumerate(contents):
        features, own = engine.encode(planes)
        yield decoder_feed(features, [adain(x, x) for x in own])
        for turn in range(each):
            wanted = styles[(number * each + turn) % len(styles)].moments
            yield decoder_feed(features, [adain(x, y) for x, y in zip(own, wanted, strict=True)])


def _quantized(graph: bytes, feeds: Iterator[Feed]) -> bytes:
    from onnxruntime.quantization import CalibrationMethod, QuantType
    from onnxruntime.quantization.calibrate import create_calibrator
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    # These tools work on files, and print what they do.
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        plain = Path(folder, "plain.onnx")
        _fold(graph, plain)
        calibrator = create_calibrator(
            plain,
            ["Conv"],
            augmented_model_path=str(Path(folder, "augmented.onnx")),
            calibrate_method=CalibrationMethod.Percentile,
            extra_options={"percentile": _PERCENTILE},
        )
        for feed in feeds:  # one at a time: it keeps all maps of its input in memory
            calibrator.collect_data(_Reader(feed))
        model = onnx.load(plain)
        for number, node in enumerate(model.graph.node):
            node.name = f"{number} {node.name}"  # excluded nodes are given by name
        convolutions = [node.name for node in model.graph.node if node.op_type == "Conv"]
        learned = [name for name in convolutions if _COMB not in name]
        quantizer = QDQQuantizer(
            model,
            per_channel=True,
            reduce_range=_SEVEN_BITS,
            weight_qType=QuantType.QInt8,
            activation_qType=QuantType.QUInt8,
            tensors_range=calibrator.compute_data(),
            nodes_to_quantize=[],
            nodes_to_exclude=[n for n in convolutions if n not in learned[:-_EXACT]],
            op_types_to_quantize=["Conv"],
            extra_options={"ActivationSymmetric": False},
        )
        quantizer.quantize_model()
        quantizer.model.topological_sort()
        made: onnx.ModelProto = quantizer.model.model
    # ONNX Runtime lists every operator set that it knows; older versions would require them.
    used = {node.domain for node in made.graph.node}
    sets = [each for each in made.opset_import if each.domain in used]
    del made.opset_import[:]
    made.opset_import.extend(sets)
    onnx.checker.check_model(made, full_check=True)
    return bytes(made.SerializeToString(deterministic=True))


class _Reader:
    """The inputs of one run, in the interface of ONNX Runtime's calibration."""

    def __init__(self, feed: Feed) -> None:
        self._feeds = iter([feed])

    def get_next(self) -> Feed | None:
        return next(self._feeds, None)


def _fold(graph: bytes, path: Path) -> None:
    """Write a graph with casts of weights and other constants folded."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path)
    options.log_severity_level = 4
    onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
