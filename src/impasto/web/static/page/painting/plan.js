// @ts-check
/**
 * Where to cut a picture that does not fit into memory, and the rim that each tile needs; see
 * painting/plan.py, whose geometry this is.
 *
 * Each tile answers for its core; the cores cover the picture once. To know the core's features the
 * encoder must see its sight. To paint it the decoder must see its view, and the encoder all that
 * can change that, the window. All in pixels of the padded picture.
 */

/**
 * @typedef {import("../types").Card} Card
 * @typedef {import("../types").Span} Span
 * @typedef {{core: Span, sight: Span, view: Span, window: Span}} Cut a tile along one axis
 * @typedef {{rows: Cut, columns: Cut}} Tile
 * @typedef {{multiple: number, encoder: number, decoder: number, both: number}} Reach how far a
 *   model sees, in pixels: `multiple` is what all edges are multiples of
 */

/**
 * How a picture is cut.
 *
 * @typedef {object} Plan
 * @property {number} side largest side of a tile's core, in pixels
 * @property {boolean} keep whether the features of the whole picture stay in memory
 * @property {boolean} whole whether the picture is one tile
 */

/** Memory that the page may use while it paints, in bytes: tabs of phones are ended soon after. */
export const BUDGET = 600_000_000;

/** Side of the smallest tile, in pixels: below it rims are most of the work. */
export const SMALLEST = 256;

/** Steps in which the side of tiles is chosen. */
const STEP = 32;

/** Bytes that the page, the engine and the graphs of a model take before the first picture. */
const PROCESS = 150_000_000;

/** Bytes for each pixel outside the graphs: floats of a tile, its features and its result. */
const PICTURE_BYTES = 100;

/** Bytes for each pixel of a tile while a model works on it, as measured in Chromium. */
const PIXEL_BYTES = /** @type {Record<string, number>} */ ({ fast: 230, quality: 330 });

/** For a model that was not measured: what a layer holds goes with the root of its work. */
const UNKNOWN = 3.5;

/**
 * How far a model sees, by its card.
 *
 * @param {Card} card
 * @returns {Reach}
 */
export function reachOf(card) {
  const { multiple, rim, encoder_rim: own } = card;
  const encoder = up(own || rim, multiple);
  const decoder = up(rim - own, multiple);
  return { multiple, encoder, decoder, both: own ? encoder + decoder : decoder };
}

/**
 * A model's card with a margin so wide that no pixel of a picture sees beyond it: what padding
 * leaves at the borders is faint, but in a plain picture there is nothing else.
 *
 * @param {Card} card
 * @returns {Card}
 */
export function farFromBorders(card) {
  return { ...card, margin: up(Math.max(card.margin, card.rim), card.multiple) };
}

/**
 * Cut a padded picture into tiles: row by row from the top, from left to right.
 *
 * @param {number} height a multiple of `card.multiple`
 * @param {number} width the same
 * @param {number} side largest side of a core
 * @param {Card} card
 * @returns {Tile[]}
 */
export function cutTiles(height, width, side, card) {
  if (side >= Math.max(height, width)) return [{ rows: uncut(height), columns: uncut(width) }];
  const reach = reachOf(card);
  const columns = cuts(width, side, reach);
  return cuts(height, side, reach).flatMap((rows) => columns.map((each) => ({ rows, columns: each })));
}

/**
 * The tiles along one axis. All have one size, as near to `side` as divides the length evenly, but
 * for the last. At an edge the windows lie inward, so they have one size too.
 *
 * @param {number} length
 * @param {number} side
 * @param {Reach} reach
 * @returns {Cut[]}
 */
export function cuts(length, side, reach) {
  const step = coreSide(length, side, reach.multiple);
  const found = [];
  for (let start = 0; start < length; start += step) {
    found.push({
      core: { start, stop: Math.min(start + step, length) },
      sight: around(start, step, reach.encoder, length),
      view: around(start, step, reach.decoder, length),
      window: around(start, step, reach.both, length),
    });
  }
  return found;
}

/**
 * The side of cores that divide a length evenly and are no longer than `side`.
 *
 * @param {number} length
 * @param {number} side
 * @param {number} multiple
 */
export function coreSide(length, side, multiple) {
  const largest = Math.max(multiple, side - (side % multiple));
  return up(Math.ceil(length / Math.ceil(length / largest)), multiple);
}

/**
 * Choose the tiles that paint a picture soonest within a budget; one tile where that fits.
 *
 * @param {number} height of the picture, in pixels
 * @param {number} width of it
 * @param {Card} card
 * @param {{memory?: number, held?: number, tile?: number | null}} [limits] bytes that may be used;
 *   bytes that are held from the beginning to the end, such as the picture; side of tiles, where
 *   one is wished for
 * @returns {Plan}
 */
export function planTiles(height, width, card, { memory = BUDGET, held = 0, tile = null } = {}) {
  const padded = paddedSize(height, width, card);
  const longest = Math.max(...padded);
  const reach = reachOf(card);
  const fixed = PROCESS + held;
  const pixel = pixelBytes(card) + PICTURE_BYTES;
  const area = padded[0] * padded[1];
  const features = area * featureBytes(card);
  const needed = (/** @type {number} */ side) => {
    const [rows, columns] = padded.map((each) =>
      Math.min(coreSide(each, side, card.multiple) + 2 * reach.both, each),
    );
    return fixed + rows * columns * pixel;
  };
  if (tile !== null) {
    return { side: tile, keep: needed(tile) + features <= memory, whole: tile >= longest };
  }
  if (fixed + area * pixel <= memory) return planWhole(height, width, card);
  const plans = [true, false].map((keep) => {
    const limit = keep ? memory - features : memory;
    let side = up(longest, STEP);
    while (side > SMALLEST && needed(side) > limit) side -= STEP;
    return { side, keep, whole: false, fits: needed(side) <= limit };
  });
  // If not even the smallest tiles fit they are tried all the same: the numbers are careful ones.
  const { side, keep, whole } = plans
    .filter((plan) => plan.fits || !plan.keep)
    .reduce((one, other) => (work(other, reach) < work(one, reach) ? other : one));
  return { side, keep, whole };
}

/**
 * Plan a picture as one tile, whatever memory that needs.
 *
 * @param {number} height
 * @param {number} width
 * @param {Card} card
 * @returns {Plan}
 */
export function planWhole(height, width, card) {
  return { side: Math.max(...paddedSize(height, width, card)), keep: true, whole: true };
}

/**
 * The plan to try after one for which memory did not suffice; null after the smallest tiles.
 *
 * @param {Plan} plan
 * @returns {Plan | null}
 */
export function smallerPlan(plan) {
  if (plan.side <= SMALLEST) return null;
  const side = Math.max(SMALLEST, Math.floor(plan.side / 2 / STEP) * STEP);
  return { side, keep: false, whole: false };
}

/**
 * Bytes that a pixel of a picture takes as features.
 *
 * @param {Card} card
 */
export function featureBytes(card) {
  return card.levels.reduce((sum, each) => sum + (4 * each.channels) / each.stride ** 2, 0);
}

/**
 * Height and width of a picture with its padding: `card.margin` on every side, and what is missing
 * to `card.multiple`.
 *
 * @param {number} height
 * @param {number} width
 * @param {Card} card
 * @returns {[number, number]}
 */
export function paddedSize(height, width, card) {
  const padded = (/** @type {number} */ side) => up(side, card.multiple) + 2 * card.margin;
  return [padded(height), padded(width)];
}

/** @param {Card} card */
function pixelBytes(card) {
  const known = PIXEL_BYTES[card.name];
  if (known !== undefined) return known;
  return Math.ceil((UNKNOWN * Math.sqrt(card.macs_512)) / 512 + 3 * featureBytes(card));
}

/**
 * Passes of a pixel through a graph, on average, if both graphs are equally slow.
 *
 * @param {Plan} plan
 * @param {Reach} reach
 */
function work(plan, reach) {
  const rims = [reach.encoder, reach.decoder, ...(plan.keep ? [] : [reach.both])];
  return rims.reduce((sum, rim) => sum + (1 + (2 * rim) / plan.side) ** 2, 0);
}

/**
 * @param {number} length
 * @returns {Cut}
 */
function uncut(length) {
  const all = { start: 0, stop: length };
  return { core: all, sight: all, view: all, window: all };
}

/**
 * @param {number} start
 * @param {number} step
 * @param {number} rim
 * @param {number} length
 * @returns {Span}
 */
function around(start, step, rim, length) {
  const extent = Math.min(length, step + 2 * rim);
  const first = Math.max(0, Math.min(start - rim, length - extent));
  return { start: first, stop: first + extent };
}

/**
 * @param {number} length
 * @param {number} multiple
 */
function up(length, multiple) {
  return Math.ceil(length / multiple) * multiple;
}
