"""Color control: keep the photograph's colors, or transfer only the colors of the style.

Colors are kept in two ways (Gatys, Bethge, Hertzmann & Shechtman 2016, "Preserving Color in
Neural Artistic Style Transfer", arXiv 1606.05897). Either the *style* is given the photograph's
colors before the transfer, by a linear map of its pixels, ``x' = A x + b``, which gives it the mean
and covariance of the photograph; or only luminance is transferred, and the photograph's I and Q are
restored afterwards. Conversely, ``only`` applies the style's palette to the photograph.

Every map follows from :class:`ColorMoments`, which can be gathered strip by strip, and acts on
every pixel separately, so a huge picture needs no more memory than a strip of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from impasto.controls.color.moments import (
    ColorMoments,
    F,
    Matrix,
    apply_map,
    matrix_power,
    moments_of,
    pixelwise,
)
from impasto.controls.color.palette import (
    apply_palette,
    palette_map,
    palette_of,
)
from impasto.errors import OptionError

__all__ = [
    "METHODS",
    "ColorMethod",
    "ColorMoments",
    "apply_map",
    "apply_palette",
    "find_method",
    "linear_map",
    "moments_of",
    "palette_map",
    "palette_of",
    "put_luminance",
]

Stage: TypeAlias = Literal["before", "after", "both"]

# Y of YIQ (NTSC of 1953). I and Q are never computed: subtracting Y from RGB leaves only them.
_LUMA = np.array([0.299, 0.587, 0.114])

# A variance below the first is rounding in the sums. One below the second, a deviation of half a
# step of 8 bits, is rounding in the file (0.29 of a step) if more than 4 times that deviation is
# wanted.
_ZERO = 1e-12
_ROUNDING = (0.5 / 255) ** 2
_MAX_GAIN = 4**2


@dataclass(frozen=True)
class ColorMethod:
    """A row of the table of color methods.

    Attributes:
        name: as on the command line.
        summary: a line for people.
        use: advice on when to choose it.
        stage: the step at which it acts. "before" changes the style picture, with
            :func:`linear_map`; "after" the result, with :func:`palette_map`; "both" first the style
            picture, with :func:`linear_map`, and finally the result, with :func:`put_luminance`.
        clip: True if a style picture is clipped to [0, 1] after it.
    """

    name: str
    summary: str
    use: str
    stage: Stage
    clip: bool = True


METHODS: tuple[ColorMethod, ...] = (
    ColorMethod(
        name="cholesky",
        summary="the style gets the photograph's colors, red, green and blue in turn",
        use="for comparison: the order of the channels is in the result",
        stage="before",
    ),
    ColorMethod(
        name="eigen",
        summary="the style gets the photograph's colors, axis by axis (image analogies)",
        use="for comparison: much like monge-kantorovich where the style is colorful in all hues",
        stage="before",
    ),
    ColorMethod(
        name="monge-kantorovich",
        summary="the style gets the photograph's colors by the smallest change there is",
        use="the first to try: what is light, warm or green in the style stays so where it can",
        stage="before",
    ),
    ColorMethod(
        name="coral",
        summary="what the authors' code does to keep colors; it depends on the sizes of pictures",
        use="to repeat published results; monge-kantorovich is what it means to be",
        stage="before",
        clip=False,
    ),
    ColorMethod(
        name="luminance",
        summary="only light and dark are painted; the photograph's hues stay where they are",
        use="when every thing must keep its own color, as faces and flags",
        stage="both",
    ),
    ColorMethod(
        name="only",
        summary="the style's palette on the photograph, without its strokes",
        use="when you want the colors of a painting and nothing else",
        stage="after",
    ),
)


def find_method(name: str) -> ColorMethod:
    """Return the row of ``METHODS`` with this name.

    Raises:
        OptionError: if there is none.

    Example:
        >>> find_method("luminance").stage
        'both'
    """
    for row in METHODS:
        if row.name == name:
            return row
    names = ", ".join(row.name for row in METHODS)
    raise OptionError(f"there is no color method {name!r}; choose one of {names}")


def linear_map(
    image: ColorMoments, reference: ColorMoments, *, method: str
) -> tuple[Matrix, Matrix]:
    """Compute the map ``x' = A x + b`` that gives colors the mean and covariance of others.

    With S the covariance of ``image`` and T that of ``reference`` (Gatys et al. 2016; the third
    also Pitié & Kokaram 2007, "The Linear Monge-Kantorovitch Linear Colour Mapping")::

        cholesky            A = L_T L_S^-1                                  S = L_S L_S^T, lower
        eigen               A = T^1/2 S^-1/2
        monge-kantorovich   A = S^-1/2 (S^1/2 T S^1/2)^1/2 S^-1/2
        luminance           A = 1 l^T sigma_T / sigma_S                     Y = l^T x, grey result
        coral               A = D_T (n_T R_T + I)^1/2 (n_S R_S + I)^-1/2 D_S^-1

    **CORAL.** This is ``preserve_color`` of the authors' AdaIN code and of its PyTorch port
    (correlation alignment, Sun, Feng & Saenko 2016, with sums instead of means). R is the matrix of
    correlations of a picture, n its number of pixels minus 1 and D its unbiased deviations. Since n
    stands within the roots, the resulting deviation is that of T times sqrt(n_T / n_S): half of it,
    if the sides of ``image`` are twice as long as those of ``reference``. For a constant channel
    only the mean is matched.

    **Flat pictures.** A linear map cannot add color to a picture without color, such as a grey one
    or one of two colors. A direction in which ``image`` deviates by less than 1e-6, or by less than
    half a step of 8 bits while more than 4 times as much is wanted, is only rounding and is
    dropped. If the r remaining directions suffice for the rank of T, the covariance still becomes
    T. If not, it becomes the part of T (never more than T in any direction) that r directions can
    carry: first luminance and all that varies with it, then the largest variances of the rest. So
    a grey style gets the photograph's tones, warm or cold, from dark to light. The mean always
    becomes that of ``reference``.

    Args:
        image: of the picture that will be mapped.
        reference: of the picture whose colors are wanted.
        method: a method of ``METHODS`` that acts before.

    Returns:
        A (3, 3) and b (3,), float64.

    Raises:
        OptionError: if the method is not in ``METHODS``.

    Example:
        >>> colors = np.random.default_rng(0).random((2, 8, 8, 3))
        >>> one, two = moments_of(colors[0]), moments_of(colors[1])
        >>> matrix, offset = linear_map(one, two, method="eigen")
        >>> np.allclose(matrix @ one.covariance @ matrix.T, two.covariance)
        True
    """
    if find_method(method).stage == "after":
        raise OptionError(f"color method {method!r} acts after the transfer and has no linear map")
    if method == "luminance":
        # Rounding can leave the variance of a plain picture slightly below 0.
        have, want = (
            max(0.0, float(_LUMA @ each.covariance @ _LUMA)) for each in (image, reference)
        )
        gain = 0.0 if _is_flat(have, want) else np.sqrt(want / have)
        matrix = gain * np.outer(np.ones(3), _LUMA)
        # Defined for luminances: the offset does not affect I and Q.
        offset = np.full(3, _LUMA @ reference.mean - gain * (_LUMA @ image.mean))
        return matrix, offset
    if method == "coral":
        matrix = _coral(image, reference)
    else:
        matrix = _matrix(image.covariance, reference.covariance, method)
    return matrix, reference.mean - matrix @ image.mean


def put_luminance(stylized: NDArray[F], content: NDArray[np.floating[Any]]) -> NDArray[F]:
    """Combine the luminance of a stylized picture with the I and Q of its photograph.

    Where the combined color is outside RGB, I and Q are reduced by the same factor until it fits:
    luminance and hue stay, saturation decreases (the paper does not specify this; clipping the
    channels would change all three).

    Args:
        stylized: (H, W, 3) floats in [0, 1].
        content: (H, W, 3) floats in [0, 1].

    Returns:
        (H, W, 3) in [0, 1], of the dtype of ``stylized``.

    Raises:
        ImageError: if either is no such array, or the sizes differ.

    Example:
        >>> orange, grey = np.array([[[0.6, 0.4, 0.2]]]), np.full((1, 1, 3), 0.5)
        >>> put_luminance(grey, orange).round(4)  # the luminance of orange is 0.437
        array([[[0.663, 0.463, 0.263]]])
    """

    # The inverse of YIQ adds Y to all channels equally, so keeping I and Q means keeping RGB - Y.
    def put(painted: Matrix, colors: Matrix) -> Matrix:
        luminance = np.clip(painted @ _LUMA, 0, 1)[..., None]
        chroma = colors - (colors @ _LUMA)[..., None]
        room = np.where(chroma > 0, 1 - luminance, luminance)
        share = (room / np.maximum(np.abs(chroma), _ZERO)).min(axis=-1, keepdims=True)
        inside: Matrix = np.clip(luminance + np.minimum(share, 1) * chroma, 0, 1)
        return inside

    return pixelwise(put, stylized, content)


def _is_flat(have: Any, want: Any) -> Any:
    """Detect variances that are rounding noise, which must not be stretched to the wanted ones."""
    return (have < _ZERO) | ((have < _ROUNDING) & (want > _MAX_GAIN * have))


def _matrix(have: Matrix, want: Matrix, method: str) -> Matrix:
    """Solve ``A have A^T = want`` for A, as far as the rank of ``have`` allows.

    Every such A is ``colors @ turn @ whiten``: it whitens, rotates and colors. The methods differ
    only in the rotation, which is the one with orthonormal rows nearest to a given matrix.
    """
    values, axes = np.linalg.eigh(have)
    varying = ~_is_flat(values, np.einsum("ij,ik,kj->j", axes, want, axes))
    spread, axes = np.sqrt(values[varying]), axes[:, varying]
    want = _reduced(want, spread.size)
    wanted, wanted_axes = np.linalg.eigh(want)
    positive = wanted > _ZERO
    if not positive.any():
        return np.zeros((3, 3))
    wanted_spread, wanted_axes = np.sqrt(wanted[positive]), wanted_axes[:, positive]
    near = wanted_axes.T @ axes  # eigen
    if method == "cholesky":
        lower = (axes / spread).T @ _lower((axes * spread**2) @ axes.T)
        near = (wanted_axes / wanted_spread).T @ _lower(want) @ lower.T
    elif method == "monge-kantorovich":
        near = wanted_spread[:, None] * near * spread
    left, _, right = np.linalg.svd(near, full_matrices=False)
    matrix: Matrix = (wanted_axes * wanted_spread) @ (left @ right) @ (axes / spread).T
    return matrix


def _coral(image: ColorMoments, reference: ColorMoments) -> Matrix:
    """Compute the matrix of CORAL as published: from sums, not from means."""
    (stretch, whiten), (color, root) = (_sums(each) for each in (image, reference))
    return color[:, None] * (matrix_power(root, 0.5) @ matrix_power(whiten, -0.5)) / stretch


def _sums(colors: ColorMoments) -> tuple[Matrix, Matrix]:
    """Unbiased deviations, and the sums of products of standardized colors plus the identity."""
    freedom = max(colors.weight - 1, 1)
    variances = np.maximum(np.diag(colors.covariance) * colors.weight / freedom, _ZERO)
    spread: Matrix = np.sqrt(variances)
    sums: Matrix = colors.covariance * colors.weight / np.outer(spread, spread)
    return spread, sums + np.eye(3)


def _reduced(covariance: Matrix, rank: int) -> Matrix:
    """Project a covariance on ``rank`` directions: luminance first, then the largest variances.

    The result depends only on these two arguments, so matching again changes nothing.
    """
    if (np.linalg.eigvalsh(covariance) > _ZERO).sum() <= rank:
        return covariance
    part, rest = np.zeros((3, 3)), covariance
    for step in range(rank):
        direction = _LUMA
        if step > 0 or direction @ rest @ direction < _ROUNDING:
            direction = np.linalg.eigh(rest)[1][:, -1]
        along = rest @ direction
        one = np.outer(along, along) / (direction @ along)
        part, rest = part + one, rest - one
    return part


def _lower(covariance: Matrix) -> Matrix:
    """Compute the lower Cholesky factor, with a column of 0 where no variance is left."""
    lower, rest = np.zeros((3, 3)), covariance
    for i in range(3):
        if rest[i, i] > _ZERO:
            lower[i:, i] = rest[i:, i] / np.sqrt(rest[i, i])
            rest = rest - np.outer(lower[:, i], lower[:, i])
    return lower
