// @ts-check
/**
 * Opacity and contrast of a picture, gathered window by window before a model sees it; see
 * painting/survey.py.
 */
import { enough } from "../controls/moments.js";
import { ColorMoments, needsModel, paletteOf } from "../controls/color/index.js";
import { ScaledSource } from "../images/windows.js";

/**
 * @typedef {import("../types").Source} Source
 * @typedef {import("../types").Span} Span
 * @typedef {{rows: Span, columns: Span}} Area
 * @typedef {{window(rows: Span, columns: Span): Float32Array}} Region a mask stretched to the
 *   picture
 */

/** A side of the windows in which a picture is looked at before it is scaled. */
const LOOK = 1024;

/** Rows at a time in which contrast is looked for: in most pictures the first of them have it. */
const ROWS = 64;

/**
 * Opacity and colors of a picture.
 *
 * @typedef {object} Survey
 * @property {boolean} opacity whether some of the picture counts less than the rest
 * @property {Float64Array | null} fill the mean color of what can be seen, for the rest; null if
 *   nothing is to be filled
 * @property {ColorMoments[]} colors for each style those of the photograph that a color method
 *   takes; empty without one
 */

/** @type {Survey} a picture of which all can be seen */
export const OPAQUE = { opacity: false, fill: null, colors: [] };

/** @type {(image: Float32Array, counts: Float32Array | null) => ColorMoments} */
const colorsOf = (image, counts) => ColorMoments.of(image, counts);

/** Colors of the pixels that count, and how many pixels these are worth. */
class Counts {
  constructor() {
    /** @type {ColorMoments | null} */
    this.colors = null;
    this._count = 0;
    this._squares = 0;
  }

  /**
   * @param {Float32Array} image
   * @param {Float32Array | null} counts
   * @param {(image: Float32Array, counts: Float32Array | null) => ColorMoments} look
   */
  add(image, counts, look) {
    if (counts !== null) {
      let total = 0;
      for (const each of counts) {
        total += each;
        this._squares += each * each;
      }
      if (total === 0) return;
      this._count += total;
    }
    const found = look(image, counts);
    this.colors = this.colors === null ? found : this.colors.merge(found);
  }

  get enough() {
    return this._squares > 0 && enough(this._count ** 2 / this._squares);
  }
}

/**
 * Look at every pixel once, if there is anything to find out.
 *
 * @param {Source} source the picture
 * @param {(Region | null)[]} regions for each style where its colors come from; null for everywhere
 * @param {string | null} color a color method that takes the photograph's colors, or null
 * @param {Iterable<Area>} tiles rows and columns that together are the picture
 * @returns {Survey}
 */
export function survey(source, regions, color, tiles) {
  const look = needsModel(color) ? colorsOf : paletteOf;
  const [everywhere, visible, fill] = [new Counts(), new Counts(), new Counts()];
  const parts = regions.map(() => new Counts());
  let [low, high] = [Infinity, -Infinity];
  let hidden = false;
  for (const { rows, columns } of tiles) {
    const { image, alpha } = source.window(rows, columns);
    if (alpha === null && color === null) break; // no window of it has opacity
    if (alpha !== null) {
      for (const each of alpha) {
        if (each < low) low = each;
        if (each > high) high = each;
        if (each <= 0) hidden = true;
      }
      fill.add(image, alpha, colorsOf);
    }
    if (color === null) continue;
    everywhere.add(image, null, look);
    if (alpha !== null) visible.add(image, alpha, look);
    regions.forEach((region, k) => {
      if (region === null) return;
      parts[k].add(image, counted(region.window(rows, columns), alpha), look);
    });
  }
  const opacity = high > -Infinity && !(low === high && low > 0);
  const seen = opacity && low < high && visible.enough;
  const photograph = seen ? visible.colors : everywhere.colors;
  const chosen = parts.map((part) => (part.enough ? part.colors : photograph));
  return {
    opacity,
    fill: opacity && hidden && fill.colors !== null ? fill.colors.mean : null,
    colors: color !== null ? chosen.filter((each) => each !== null) : [],
  };
}

/**
 * Find the contrast of a picture: the range of its colors, where they can be seen.
 *
 * @param {Source} source
 * @param {Region | null} region only what is not black in it counts
 * @param {number} sufficient contrast above which it does not matter how large it is: nothing more
 *   of the picture is looked at then
 * @param {number} [pixels] how many must count
 * @returns {number | null} of that one of the three colors that has the largest; null if so few
 *   pixels count that they have no contrast of their own
 */
export function contrastOf(source, region, sufficient, pixels = 1) {
  const columns = { start: 0, stop: source.width };
  const low = [Infinity, Infinity, Infinity];
  const high = [-Infinity, -Infinity, -Infinity];
  let [count, contrast] = [0, 0];
  for (let top = 0; top < source.height; top += ROWS) {
    const rows = { start: top, stop: Math.min(top + ROWS, source.height) };
    const { image, alpha } = source.window(rows, columns);
    const counts = region === null ? alpha : counted(region.window(rows, columns), alpha);
    for (let i = 0; i < image.length; i += 3) {
      if (counts !== null && counts[i / 3] <= 0) continue;
      count++;
      for (let c = 0; c < 3; c++) {
        const value = image[i + c];
        if (value < low[c]) low[c] = value;
        if (value > high[c]) high[c] = value;
        if (high[c] - low[c] > contrast) contrast = high[c] - low[c];
      }
      if (contrast >= sufficient) return contrast;
    }
  }
  return count >= pixels ? contrast : null;
}

/**
 * A picture at another size, the mean color of what can be seen where nothing can.
 *
 * @param {Source} source
 * @param {number} height wanted, in pixels
 * @param {number} width wanted
 * @returns {Source} `source` itself if it has the size
 */
export function scaled(source, height, width) {
  if (source.height === height && source.width === width) return source;
  const { fill } = survey(source, [], null, areas(source));
  return new ScaledSource(source, height, width, fill);
}

/**
 * A picture in windows of moderate size.
 *
 * @param {Source} source
 * @returns {Generator<Area>}
 */
function* areas({ height, width }) {
  for (let top = 0; top < height; top += LOOK) {
    for (let left = 0; left < width; left += LOOK) {
      yield {
        rows: { start: top, stop: Math.min(top + LOOK, height) },
        columns: { start: left, stop: Math.min(left + LOOK, width) },
      };
    }
  }
}

/**
 * How much each pixel of a region counts, where not all of it can be seen.
 *
 * @param {Float32Array} region
 * @param {Float32Array | null} alpha
 * @returns {Float32Array}
 */
export function counted(region, alpha) {
  return alpha === null ? region : region.map((each, i) => each * alpha[i]);
}
