// @ts-check
/**
 * The color methods and their maps: keep the photograph's colors, or take only those of the style.
 * Mirrors impasto/controls/color/__init__.py, which has the equations and their sources.
 */

import { PaintError } from "../../errors.js";
import {
  composed,
  dot,
  eigen,
  matrixPower,
  nearestOrthonormal,
  product,
  times,
  transposed,
} from "./matrices.js";
import { mapBetween } from "./moments.js";

/** @typedef {import("./moments.js").ColorMoments} ColorMoments */
/** @typedef {import("./matrices.js").Matrix} Matrix */
/** @typedef {import("./moments.js").ColorMap} ColorMap */

/**
 * A row of the table of color methods.
 *
 * @typedef {object} ColorMethod
 * @property {string} name as on the command line
 * @property {string} title a few words for a list
 * @property {string} summary a line for people
 * @property {string} use advice on when to choose it
 * @property {"before" | "after" | "both"} stage the step at which it acts: "before" changes the
 *   style picture, "after" the result, "both" first the one and then the other
 * @property {boolean} clip whether a style picture is clipped to [0, 1] after it
 * @property {boolean} needsPicture whether it needs the picture of a style, not its moments alone
 */

/** Y of YIQ (NTSC of 1953). */
const LUMA = [0.299, 0.587, 0.114];

/** A variance below this is rounding in the sums. */
const ZERO = 1e-12;

/** One below this, a deviation of half a step of 8 bits, may be rounding in the file. */
const ROUNDING = (0.5 / 255) ** 2;

/** So much more variance must be wanted for that. */
const MAX_GAIN = 4 ** 2;

/** @type {readonly ColorMethod[]} */
export const METHODS = [
  {
    name: "monge-kantorovich",
    title: "The photograph's colors",
    summary: "the style gets the photograph's colors by the smallest change there is",
    use: "the first to try: what is light, warm or green in the style stays so where it can",
    stage: "before",
    clip: true,
    needsPicture: true,
  },
  {
    name: "luminance",
    title: "The photograph's hues, in place",
    summary: "only light and dark are painted; the photograph's hues stay where they are",
    use: "when every thing must keep its own color, as faces and flags",
    stage: "both",
    clip: true,
    needsPicture: false,
  },
  {
    name: "only",
    title: "The style's palette, no strokes",
    summary: "the style's palette on the photograph, without its strokes",
    use: "when you want the colors of a painting and nothing else",
    stage: "after",
    clip: true,
    needsPicture: true,
  },
  {
    name: "eigen",
    title: "The photograph's colors, axis by axis",
    summary: "the style gets the photograph's colors, axis by axis (image analogies)",
    use: "for comparison: much like monge-kantorovich where the style is colorful in all hues",
    stage: "before",
    clip: true,
    needsPicture: true,
  },
  {
    name: "cholesky",
    title: "The photograph's colors, channel by channel",
    summary: "the style gets the photograph's colors, red, green and blue in turn",
    use: "for comparison: the order of the channels is in the result",
    stage: "before",
    clip: true,
    needsPicture: true,
  },
  {
    name: "coral",
    title: "The photograph's colors, as published",
    summary: "what the authors' code does to keep colors; it depends on the sizes of pictures",
    use: "to repeat published results; monge-kantorovich is what it means to be",
    stage: "before",
    clip: false,
    needsPicture: true,
  },
];

/**
 * The row of `METHODS` with this name.
 *
 * @param {string} name
 * @returns {ColorMethod}
 */
export function findMethod(name) {
  const row = METHODS.find((each) => each.name === name);
  if (row) return row;
  const names = METHODS.map((each) => each.name).join(", ");
  throw new PaintError(`There is no color method ${name}; choose one of ${names}.`);
}

/**
 * The map that gives colors the mean and covariance of others.
 *
 * @param {ColorMoments} image of the picture that will be mapped
 * @param {ColorMoments} reference of the picture whose colors are wanted
 * @param {string} method a method of `METHODS` that acts before
 * @returns {ColorMap}
 */
export function linearMap(image, reference, method) {
  if (findMethod(method).stage === "after") {
    throw new PaintError(`The color method ${method} acts after the transfer and has no such map.`);
  }
  if (method === "luminance") {
    // Rounding can leave the variance of a plain picture a hair below 0.
    const have = Math.max(0, along(image.covariance, LUMA));
    const want = Math.max(0, along(reference.covariance, LUMA));
    const gain = isFlat(have, want) ? 0 : Math.sqrt(want / have);
    const row = LUMA.map((each) => gain * each);
    // Written for luminances: the offset has no part in I and Q.
    const offset = dot(LUMA, reference.mean) - gain * dot(LUMA, image.mean);
    return { matrix: [row, row, row], offset: [offset, offset, offset] };
  }
  const matrix =
    method === "coral"
      ? coral(image, reference)
      : matching(image.covariance, reference.covariance, method);
  return mapBetween(matrix, image.mean, reference.mean);
}

/**
 * Give a painted picture the I and Q of its photograph; its luminance stays. Where these are no
 * color that RGB can show, saturation yields until they are; luminance and hue stay.
 *
 * @param {Float32Array} painted (H, W, 3) in [0, 1]; changed where it lies
 * @param {Float32Array} photograph (H, W, 3); clipped to [0, 1]
 */
export function putLuminance(painted, photograph) {
  if (painted.length !== photograph.length) {
    throw new PaintError(
      `Pictures of ${painted.length / 3} and ${photograph.length / 3} pixels must be the same ` +
        "size to share their colors.",
    );
  }
  const [a, b, c] = LUMA;
  for (let i = 0; i < painted.length; i += 3) {
    // The inverse of YIQ adds Y to all channels alike, so to keep I and Q is to keep RGB - Y.
    const light = clipped(a * painted[i] + b * painted[i + 1] + c * painted[i + 2]);
    let red = clipped(photograph[i]);
    let green = clipped(photograph[i + 1]);
    let blue = clipped(photograph[i + 2]);
    const own = a * red + b * green + c * blue;
    red -= own;
    green -= own;
    blue -= own;
    const share = Math.min(1, room(red, light), room(green, light), room(blue, light));
    painted[i] = clipped(light + share * red);
    painted[i + 1] = clipped(light + share * green);
    painted[i + 2] = clipped(light + share * blue);
  }
}

/** @param {number} value */
function clipped(value) {
  return value < 0 ? 0 : value > 1 ? 1 : value;
}

/**
 * How much of a channel's difference from the luminance RGB can show, as a factor.
 *
 * @param {number} chroma
 * @param {number} light
 */
function room(chroma, light) {
  return chroma > 0 ? (1 - light) / Math.max(chroma, ZERO) : light / Math.max(-chroma, ZERO);
}

/**
 * Whether a variance is rounding noise, which must not be stretched to the wanted one.
 *
 * @param {number} have
 * @param {number} want
 */
function isFlat(have, want) {
  return have < ZERO || (have < ROUNDING && want > MAX_GAIN * have);
}

/**
 * The variance along an axis.
 *
 * @param {Matrix} covariance
 * @param {number[]} axis
 */
function along(covariance, axis) {
  return dot(axis, times(covariance, axis));
}

/**
 * Solve `A have A^T = want` for A, as far as the rank of `have` allows. Every such A is to white
 * colors, turned, and colored; the methods differ in the turn, and it is the one with orthonormal
 * rows that is nearest to some matrix.
 *
 * @param {Matrix} have
 * @param {Matrix} want
 * @param {string} method
 * @returns {Matrix}
 */
function matching(have, want, method) {
  const own = directions(eigen(have), (value, axis) => !isFlat(value, along(want, axis)));
  const wanted = reduced(want, own.spread.length);
  const aim = directions(eigen(wanted), (value) => value > ZERO);
  if (aim.spread.length === 0) return [0, 1, 2].map(() => [0, 0, 0]);
  let near = product(aim.axes, transposed(own.axes)); // eigen
  if (method === "cholesky") {
    const squares = own.spread.map((each) => each * each);
    const white = product(whitening(own), lower(composed(squares, own.axes)));
    near = product(product(whitening(aim), lower(wanted)), transposed(white));
  } else if (method === "monge-kantorovich") {
    near = near.map((row, i) => row.map((each, j) => aim.spread[i] * each * own.spread[j]));
  }
  const colored = transposed(
    aim.axes.map((axis, i) => axis.map((each) => each * aim.spread[i])),
  );
  return product(product(colored, nearestOrthonormal(near)), whitening(own));
}

/**
 * Those axes of a covariance that are wanted, and the deviation along each.
 *
 * @param {{values: number[], axes: Matrix}} found
 * @param {(value: number, axis: number[]) => boolean} isWanted
 */
function directions({ values, axes }, isWanted) {
  const chosen = values.map((_, j) => j).filter((j) => isWanted(values[j], axes[j]));
  return { spread: chosen.map((j) => Math.sqrt(values[j])), axes: chosen.map((j) => axes[j]) };
}

/**
 * @param {{spread: number[], axes: Matrix}} found
 * @returns {Matrix}
 */
function whitening({ spread, axes }) {
  return axes.map((axis, j) => axis.map((each) => each / spread[j]));
}

/**
 * The matrix of CORAL as published: of sums, not of means.
 *
 * @param {ColorMoments} image
 * @param {ColorMoments} reference
 * @returns {Matrix}
 */
function coral(image, reference) {
  const have = sums(image);
  const want = sums(reference);
  const turned = product(matrixPower(want.sums, 0.5), matrixPower(have.sums, -0.5));
  return turned.map((row, i) => row.map((each, j) => (want.spread[i] * each) / have.spread[j]));
}

/**
 * Unbiased deviations, and the sums of products of standardized colors plus the identity.
 *
 * @param {ColorMoments} colors
 */
function sums({ weight, covariance }) {
  const freedom = Math.max(weight - 1, 1);
  const spread = covariance.map((row, i) => Math.sqrt(Math.max((row[i] * weight) / freedom, ZERO)));
  const found = covariance.map((row, i) =>
    row.map((each, j) => (each * weight) / (spread[i] * spread[j]) + (i === j ? 1 : 0)),
  );
  return { spread, sums: found };
}

/**
 * A covariance projected on `rank` directions: luminance first, then the largest variances.
 *
 * @param {Matrix} covariance
 * @param {number} rank
 * @returns {Matrix}
 */
function reduced(covariance, rank) {
  if (eigen(covariance).values.filter((value) => value > ZERO).length <= rank) return covariance;
  let part = covariance.map((row) => row.map(() => 0));
  let rest = covariance;
  for (let step = 0; step < rank; step++) {
    let direction = LUMA;
    if (step > 0 || along(rest, direction) < ROUNDING) direction = eigen(rest).axes[2];
    const shared = times(rest, direction);
    const size = dot(direction, shared);
    const one = shared.map((p) => shared.map((q) => (p * q) / size));
    part = part.map((row, i) => row.map((each, j) => each + one[i][j]));
    rest = rest.map((row, i) => row.map((each, j) => each - one[i][j]));
  }
  return part;
}

/**
 * The lower Cholesky factor, with a column of 0 where no variance is left.
 *
 * @param {Matrix} covariance
 * @returns {Matrix}
 */
function lower(covariance) {
  const found = covariance.map((row) => row.map(() => 0));
  let rest = covariance;
  for (let i = 0; i < 3; i++) {
    if (rest[i][i] <= ZERO) continue;
    const root = Math.sqrt(rest[i][i]);
    const column = rest.map((row, j) => (j < i ? 0 : row[i] / root));
    for (let j = i; j < 3; j++) found[j][i] = column[j];
    rest = rest.map((row, j) => row.map((each, k) => each - column[j] * column[k]));
  }
  return found;
}
