// @ts-check
/**
 * The one pass of a picture through an encoder and a decoder, in one tile or in many; see
 * painting/tiles.py.
 *
 * First the moments of the whole picture are gathered, tile by tile; then every tile is painted
 * with the scale and the shift that follow from them, and with a rim around it as wide as the model
 * sees. So the tiles fit each other, and the result does not depend on how the picture was cut.
 */
import { PaintError } from "../errors.js";
import { combine } from "../controls/affine.js";
import { restoreColors } from "../controls/color/index.js";
import { Gathered, cellAverage, effectiveCells, enough } from "../controls/moments.js";
import { filled, paddedMaps, paddedPlanes, reflected, spanOf } from "../images/windows.js";
import { cutTiles, paddedSize } from "./plan.js";
import { OPAQUE, counted, survey } from "./survey.js";

/**
 * @typedef {import("../types").Amounts} Amounts
 * @typedef {import("../types").Card} Card
 * @typedef {import("../types").Moments} Moments
 * @typedef {import("../types").Source} Source
 * @typedef {import("../types").Span} Span
 * @typedef {import("../controls/affine.js").Pair} Pair
 * @typedef {import("../controls/regions.js").StyleMap} StyleMap
 * @typedef {import("../models/model.js").Features} Features
 * @typedef {import("../models/model.js").Model} Model
 * @typedef {import("./plan.js").Plan} Plan
 * @typedef {import("./plan.js").Tile} Tile
 * @typedef {import("./survey.js").Area} Area
 * @typedef {import("./survey.js").Region} Region
 * @typedef {import("./survey.js").Survey} Survey
 */

/**
 * Called after every step with the share that is done, and awaited: what it throws ends the work.
 *
 * @typedef {(share: number) => void | Promise<void>} Watch
 */

/**
 * A finished part of a picture: RGB in [0, 1], pixel by pixel.
 *
 * @typedef {{rows: Span, columns: Span, image: Float32Array}} PaintedTile
 */

/** Below this strength the photograph itself is mixed in, and at 0 nothing else is left. */
const FADE = 1 / 8;

/**
 * A photograph, cut into tiles and encoded, to be painted once or more often. It is padded by
 * reflection; after decoding the padding is cut off.
 */
export class Content {
  /**
   * @param {object} facts
   * @param {Source} facts.source the photograph, which shows where nothing is painted
   * @param {Source} facts.basis the picture that is encoded; mostly the photograph itself
   * @param {Card} facts.card of the model
   * @param {Plan} facts.plan by which it is cut
   * @param {Tile[]} facts.tiles of the padded picture
   * @param {Survey} facts.survey opacity of the picture
   * @param {number} facts.contrast range of the photograph's colors
   * @param {Features[] | null} [facts.features] of the padded picture; null where they are too
   *   large to be kept
   * @param {Moments[] | null} [facts.moments] of what is not transparent, one pair a level; null
   *   before they were gathered
   */
  constructor(facts) {
    this.source = facts.source;
    this.basis = facts.basis;
    this.card = facts.card;
    this.plan = facts.plan;
    this.tiles = facts.tiles;
    this.survey = facts.survey;
    this.contrast = facts.contrast;
    this.features = facts.features ?? null;
    this.moments = facts.moments ?? null;
    const [height, width] = paddedSize(this.basis.height, this.basis.width, this.card);
    /** Height and width with the padding. */
    this.shape = { height, width };
  }

  /**
   * Cut a picture as planned, and look at its opacity.
   *
   * @param {Source} source
   * @param {Card} card
   * @param {Plan} plan
   * @param {number} contrast
   * @param {Source} [basis]
   * @returns {Content}
   */
  static of(source, card, plan, contrast, basis = source) {
    const [height, width] = paddedSize(source.height, source.width, card);
    const tiles = cutTiles(height, width, plan.side, card);
    const facts = { source, basis, card, plan, tiles, survey: OPAQUE, contrast };
    const content = new Content(facts);
    return new Content({ ...facts, survey: survey(basis, [], null, content.inner()) });
  }

  /** Rows and columns of every tile that lies in the picture, not in its padding alone. */
  *inner() {
    for (const tile of this.tiles) {
      const found = this.innerOf(tile);
      if (found !== null) yield found;
    }
  }

  /**
   * Rows and columns of the picture in a tile's core; null if it is all padding.
   *
   * @param {Tile} tile
   * @returns {Area | null}
   */
  innerOf(tile) {
    const { margin } = this.card;
    const within = (/** @type {Span} */ core, /** @type {number} */ length) => ({
      start: Math.max(core.start - margin, 0),
      stop: Math.min(core.stop - margin, length),
    });
    const rows = within(tile.rows.core, this.source.height);
    const columns = within(tile.columns.core, this.source.width);
    return rows.start < rows.stop && columns.start < columns.stop ? { rows, columns } : null;
  }

  /**
   * The rows and columns of the picture that a part of the padded picture shows.
   *
   * @param {Area} area
   */
  places({ rows, columns }) {
    const { margin } = this.card;
    const down = reflected(rows, margin, this.source.height);
    const across = reflected(columns, margin, this.source.width);
    return { down, across, rows: spanOf(down), columns: spanOf(across) };
  }

  /**
   * A part of the padded picture as its encoder takes it; the mean color stands where the picture
   * is transparent.
   *
   * @param {Area} area
   * @returns {Float32Array} RGB, one plane after the other
   */
  planes(area) {
    const { down, across, rows, columns } = this.places(area);
    const window = this.basis.window(rows, columns);
    const { opacity, fill } = this.survey;
    const image = opacity && fill !== null ? filled(window, fill) : window.image;
    return paddedPlanes(image, down, across);
  }

  /**
   * The opacity of a part of the padded picture, if it matters.
   *
   * @param {Area} area
   * @returns {Float32Array | null}
   */
  opacity(area) {
    if (!this.survey.opacity) return null;
    const { down, across, rows, columns } = this.places(area);
    const { alpha } = this.basis.window(rows, columns);
    return alpha && paddedMaps(alpha, 1, down, across);
  }

  /**
   * Weight of each pixel of a part of the padded picture in the moments of a region.
   *
   * @param {Region} region
   * @param {Area} area
   * @param {Float32Array | null} opacity of that part
   * @returns {Float32Array}
   */
  counts(region, area, opacity) {
    const { down, across, rows, columns } = this.places(area);
    return counted(paddedMaps(region.window(rows, columns), 1, down, across), opacity);
  }
}

/**
 * Encode a picture and keep its features and their moments.
 *
 * @param {Content} content
 * @param {Model} model
 * @param {Watch} [watch]
 * @returns {Promise<Content>}
 */
export async function encode(content, model, watch) {
  const { levels } = content.card;
  const { height, width } = content.shape;
  if (content.tiles.length === 1) {
    const whole = { rows: { start: 0, stop: height }, columns: { start: 0, stop: width } };
    let { features, moments } = await model.encode(content.planes(whole), height, width);
    if (model.precision !== "fp32") {
      // As in tiles.py: the last digit of the graph's own sums, in float32, would decide to which
      // side numbers are rounded, and tiles would differ from the whole.
      moments = features.map(({ channels, height: high, width: wide, data }) => {
        const exact = new Gathered(channels);
        exact.add(data, channels, high, wide, null);
        return exact.moments;
      });
    }
    const opacity = content.opacity(whole);
    if (opacity !== null) {
      moments = moments.map((everywhere, i) => {
        const visible = new Gathered(levels[i].channels);
        const { channels, height: high, width: wide, data } = features[i];
        const plane = { height, width, data: opacity };
        visible.add(data, channels, high, wide, cellAverage(plane, levels[i].stride).data);
        return visible.momentsOr(everywhere);
      });
    }
    return new Content({ ...content, features, moments });
  }
  const features = levels.map(({ channels, stride }) => {
    const [high, wide] = [height / stride, width / stride];
    const data = new Float32Array(channels * high * wide);
    return { channels, height: high, width: wide, data };
  });
  const { whole } = await gather(content, model, [], features, watch);
  return new Content({ ...content, features, moments: whole });
}

/**
 * Gather the moments of a picture and of its regions, tile by tile, in float64.
 *
 * @param {Content} content encoded tile by tile if its features were not kept
 * @param {Model} model
 * @param {(Region | null)[]} regions masks stretched to the picture, or null for all of it
 * @param {Features[] | null} keep to keep its features in
 * @param {Watch} [watch] called after every tile that was encoded
 * @returns {Promise<{whole: Moments[], parts: Moments[][]}>} those of the picture, and for each
 *   region those of every level; those of the picture where a region is too small to have any
 */
export async function gather(content, model, regions, keep, watch) {
  const { levels } = content.card;
  const gathered = () => levels.map((level) => new Gathered(level.channels));
  const [everywhere, visible] = [gathered(), gathered()];
  const parts = regions.map(gathered);
  for (const [number, tile] of content.tiles.entries()) {
    const core = { rows: tile.rows.core, columns: tile.columns.core };
    let origin = { rows: { start: 0, stop: 0 }, columns: { start: 0, stop: 0 } };
    let maps = content.features;
    if (maps === null) {
      origin = { rows: tile.rows.sight, columns: tile.columns.sight };
      maps = (await model.encode(content.planes(origin), ...sides(origin))).features;
    }
    const opacity = content.opacity(core);
    const counts = regions.map((region) => region && content.counts(region, core, opacity));
    const [height, width] = sides(core);
    for (const [i, { stride }] of levels.entries()) {
      const { channels, height: high, width: wide, data } = maps[i];
      const cut = cellsWithin(core, origin, stride);
      const cells = (/** @type {Float32Array} */ plane) =>
        cellAverage({ height, width, data: plane }, stride).data;
      const add = (/** @type {Gathered} */ to, /** @type {Float32Array | null} */ weights) =>
        to.add(data, channels, high, wide, weights && cells(weights), cut);
      if (keep !== null) copyCells(maps[i], cut, keep[i], cellsOf(core, stride));
      if (content.moments === null) {
        add(everywhere[i], null);
        if (opacity !== null) add(visible[i], opacity);
      }
      counts.forEach((own, k) => own && add(parts[k][i], own));
    }
    if (content.features === null) await watch?.((number + 1) / content.tiles.length);
  }
  const whole =
    content.moments ??
    everywhere.map(({ moments }, i) =>
      content.survey.opacity ? visible[i].momentsOr(moments) : moments,
    );
  return {
    whole,
    parts: regions.map((region, k) =>
      whole.map((fallback, i) => (region === null ? fallback : parts[k][i].momentsOr(fallback))),
    ),
  };
}

/**
 * Paint the tiles of a picture, row by row from the top, from left to right.
 *
 * @param {Content} content
 * @param {Model} model
 * @param {Pair[][]} changes for each style the difference from the identity at every level
 * @param {StyleMap} amounts the strength of each style at every place
 * @param {string | null} color name of a color method
 * @param {Watch} [watch] called after every tile
 * @returns {AsyncGenerator<PaintedTile>}
 */
export async function* decode(content, model, changes, amounts, color, watch) {
  for (const [number, tile] of content.tiles.entries()) {
    const inner = content.innerOf(tile);
    if (inner !== null) yield await paintTile(content, model, changes, amounts, color, tile, inner);
    await watch?.((number + 1) / content.tiles.length);
  }
}

/**
 * @param {Content} content
 * @param {Model} model
 * @param {Pair[][]} changes
 * @param {StyleMap} amounts
 * @param {string | null} color
 * @param {Tile} tile
 * @param {Area} inner
 * @returns {Promise<PaintedTile>}
 */
async function paintTile(content, model, changes, amounts, color, tile, inner) {
  const view = { rows: tile.rows.view, columns: tile.columns.view };
  const { down, across } = content.places(view);
  const spread = amounts.padded(down, across);
  const { margin } = content.card;
  const shift = (/** @type {Span} */ span, /** @type {Span} */ from) => ({
    start: span.start + margin - from.start,
    stop: span.stop + margin - from.start,
  });
  const place = {
    rows: shift(inner.rows, view.rows),
    columns: shift(inner.columns, view.columns),
  };
  const photograph = content.source.window(inner.rows, inner.columns);
  const share = paintedShare(spread, place, content.survey.opacity ? photograph.alpha : null);
  if (share.highest === 0) return { ...inner, image: photograph.image };

  let origin = { rows: { start: 0, stop: 0 }, columns: { start: 0, stop: 0 } };
  let features = content.features;
  if (features === null) {
    origin = { rows: tile.rows.window, columns: tile.columns.window };
    features = (await model.encode(content.planes(origin), ...sides(origin))).features;
  }
  const cut = features.map((each, i) =>
    cutCells(each, cellsWithin(view, origin, content.card.levels[i].stride)),
  );
  const affines = content.card.levels.map(({ stride }, i) => {
    const own = changes.map((levels) => levels[i]);
    return combine(own, amounts.cells(spread, stride));
  });
  features = null; // not held while the decoder works
  const decoded = await model.decode(cut, affines);
  const own = interleaved(decoded, sides(view), place);
  const image = color === null ? own : restoreColors(own, photograph.image, color);
  keepPhotograph(image, photograph.image, share.values);
  return { ...inner, image };
}

/**
 * How much of each pixel is painted, the rest being the photograph: it is put back where the
 * strength is 0 or all is transparent. A decoder gives a photograph back as well as it can, which
 * is not exactly, and its view of a place reaches over the border of a mask.
 *
 * @param {Amounts} spread strengths of the styles
 * @param {Area} place of the picture in them
 * @param {Float32Array | null} alpha
 * @returns {{values: Float32Array | null, highest: number}} null for everything; the highest is 0
 *   where no style has any strength
 */
export function paintedShare(spread, place, alpha) {
  const [height, width] = sides(place);
  const fade = (/** @type {number} */ strength) => Math.min(strength / FADE, 1);
  if (spread.size === null) {
    let strength = 0;
    for (const each of spread.data) strength += each;
    const share = fade(strength);
    if (alpha === null && share === 1) return { values: null, highest: 1 };
    const values = new Float32Array(height * width).fill(share);
    if (alpha !== null) values.forEach((_, i) => alpha[i] > 0 || (values[i] = 0));
    return { values, highest: share };
  }
  const { width: stored, height: rows } = spread.size;
  const values = new Float32Array(height * width);
  let highest = 0;
  let i = 0;
  for (let y = place.rows.start; y < place.rows.stop; y++) {
    for (let x = place.columns.start; x < place.columns.stop; x++, i++) {
      let strength = 0;
      for (let k = 0; k < spread.count; k++) {
        strength += spread.data[(k * rows + y) * stored + x];
      }
      const share = fade(strength);
      if (share > highest) highest = share;
      values[i] = alpha !== null && alpha[i] <= 0 ? 0 : share;
    }
  }
  return { values, highest };
}

/**
 * Put the photograph back, in place.
 *
 * @param {Float32Array} painted RGB in [0, 1]
 * @param {Float32Array} photograph
 * @param {Float32Array | null} share how much of each pixel is painted; null for everything
 */
export function keepPhotograph(painted, photograph, share) {
  if (share === null) return;
  for (let i = 0; i < share.length; i++) {
    const own = share[i];
    if (own === 1) continue;
    for (let c = 3 * i; c < 3 * i + 3; c++) {
      // Written so that a share of 0 gives exactly the photograph.
      painted[c] = painted[c] * own + photograph[c] * (1 - own);
    }
  }
}

/**
 * A part of planes as pixels, clipped to [0, 1].
 *
 * @param {Float32Array} planes RGB, one plane after the other
 * @param {[number, number]} size height and width of a plane
 * @param {Area} place
 * @returns {Float32Array}
 */
function interleaved(planes, [height, width], place) {
  const image = new Float32Array(3 * sides(place)[0] * sides(place)[1]);
  const size = height * width;
  let out = 0;
  for (let y = place.rows.start; y < place.rows.stop; y++) {
    for (let x = place.columns.start; x < place.columns.stop; x++) {
      for (let i = y * width + x, c = 0; c < 3; c++, i += size, out++) {
        const value = planes[i];
        if (value !== value) throw new PaintError("The painted picture contains NaN.");
        image[out] = value < 0 ? 0 : value > 1 ? 1 : value;
      }
    }
  }
  return image;
}

/**
 * Weights of a style picture's pixels for its reader, a number for each block of `card.multiple`.
 *
 * @param {Content} content
 * @returns {Float32Array}
 */
export function readCounts(content) {
  const { multiple } = content.card;
  const { height, width } = content.shape;
  const whole = { rows: { start: 0, stop: height }, columns: { start: 0, stop: width } };
  const opacity = content.opacity(whole);
  if (opacity !== null) {
    const { data } = cellAverage({ height, width, data: opacity }, multiple);
    if (enough(effectiveCells(data))) return Float32Array.from(data);
  }
  return new Float32Array((height / multiple) * (width / multiple)).fill(1);
}

/**
 * Height and width of an area.
 *
 * @param {Area} area
 * @returns {[number, number]}
 */
export function sides({ rows, columns }) {
  return [rows.stop - rows.start, columns.stop - columns.start];
}

/**
 * @param {Area} area in pixels
 * @param {number} stride
 * @returns {Area} in positions of a level
 */
function cellsOf({ rows, columns }, stride) {
  return {
    rows: { start: rows.start / stride, stop: rows.stop / stride },
    columns: { start: columns.start / stride, stop: columns.stop / stride },
  };
}

/**
 * Rows and columns of a level for a part of the picture, in a map that begins at `origin`.
 *
 * @param {Area} area
 * @param {Area} origin
 * @param {number} stride
 * @returns {Area}
 */
function cellsWithin({ rows, columns }, origin, stride) {
  const [top, left] = [origin.rows.start, origin.columns.start];
  const inside = {
    rows: { start: rows.start - top, stop: rows.stop - top },
    columns: { start: columns.start - left, stop: columns.stop - left },
  };
  return cellsOf(inside, stride);
}

/**
 * @param {Features} features
 * @param {Area} cut
 * @returns {Features} `features` themselves if that is all of them
 */
function cutCells(features, cut) {
  const [height, width] = sides(cut);
  if (height === features.height && width === features.width) return features;
  const { channels } = features;
  const data = new Float32Array(channels * height * width);
  const part = { channels, height, width, data };
  copyCells(features, cut, part, {
    rows: { start: 0, stop: height },
    columns: { start: 0, stop: width },
  });
  return part;
}

/**
 * @param {Features} from
 * @param {Area} cut of it
 * @param {Features} to
 * @param {Area} place in it
 */
function copyCells(from, cut, to, place) {
  const [height, width] = sides(cut);
  for (let c = 0; c < from.channels; c++) {
    for (let y = 0; y < height; y++) {
      const at = (c * from.height + cut.rows.start + y) * from.width + cut.columns.start;
      const out = (c * to.height + place.rows.start + y) * to.width + place.columns.start;
      to.data.set(from.data.subarray(at, at + width), out);
    }
  }
}
