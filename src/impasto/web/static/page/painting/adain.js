// @ts-check
/**
 * A photograph through a model that aligns statistics between its encoder and its decoder; see
 * painting/adain.py.
 */
import { PaintError } from "../errors.js";
import { gainAndShift } from "../controls/affine.js";
import { CoarseSource, smallSize } from "../controls/coarse.js";
import { matchColors } from "../controls/color/index.js";
import { MIN_CELLS } from "../controls/moments.js";
import { TEXTURED, textureShare, tonedDown } from "../controls/plain.js";
import { StyleMap } from "../controls/regions.js";
import { scaledSize } from "../images/resizing.js";
import { FloatSource } from "../images/windows.js";
import { MemoryError, isOutOfMemory } from "../models/model.js";
import { farFromBorders, planTiles, planWhole, smallerPlan } from "./plan.js";
import { contrastOf, scaled, survey } from "./survey.js";
import { Content, decode, encode, gather, readCounts, sides } from "./tiles.js";

/**
 * @typedef {import("../types").Moments} Moments
 * @typedef {import("../types").Pixels} Pixels
 * @typedef {import("../types").Plane} Plane
 * @typedef {import("../types").Source} Source
 * @typedef {import("../controls/affine.js").Pair} Pair
 * @typedef {import("../models/model.js").Model} Model
 * @typedef {import("./plan.js").Plan} Plan
 * @typedef {import("./tiles.js").PaintedTile} PaintedTile
 * @typedef {import("./tiles.js").Watch} Watch
 */

/**
 * What a user can turn, as far as this painter needs it; see controls/__init__.py.
 *
 * @typedef {object} Controls
 * @property {number | Plane} alpha
 * @property {number[] | null} weights
 * @property {(Plane | null)[]} masks one for each style, null for everywhere; empty: every style
 *   goes everywhere
 * @property {string | null} color
 * @property {number} coarse
 */

/**
 * A style: its moments, or its picture where a color method changes it first, with the moments of
 * the pictures that this gave before, by their colors.
 *
 * @typedef {{moments: Moments[]} | {picture: Source, matched: Map<string, Moments[]>}} StyleValue
 */

/** Share of the progress that laying in coarse strokes takes. */
const COARSE_SHARE = 0.3;

/** Share of the progress that encoding takes, where decoding is the rest. */
const ENCODING_SHARE = 0.4;

/**
 * Encode a style picture: the moments that a picture in it has at every level. What is transparent
 * in it does not count.
 *
 * @param {Model} model
 * @param {Source} picture at the size at which it is looked at
 * @returns {Promise<Moments[]>}
 */
export async function styleMoments(model, picture) {
  const plan = planWhole(picture.height, picture.width, model.card);
  const content = await encode(Content.of(picture, model.card, plan, 1), model);
  const moments = /** @type {Moments[]} */ (content.moments);
  if (!model.reads) return moments;
  const { height, width } = content.shape;
  const whole = { rows: { start: 0, stop: height }, columns: { start: 0, stop: width } };
  const planes = content.planes(whole);
  return model.read(planes, height, width, moments, readCounts(content));
}

/**
 * A style picture at the size at which it is looked at: larger ones are reduced.
 *
 * @param {Source} picture
 * @param {number} size of the shorter side, in pixels
 * @returns {Source}
 */
export function styleSource(picture, size) {
  if (Math.min(picture.height, picture.width) <= size) return picture;
  const { height, width } = scaledSize(picture.height, picture.width, size);
  return inMemory(scaled(picture, height, width));
}

/**
 * Encode a photograph; in tiles, and without keeping its features, as memory demands.
 *
 * @param {Model} model
 * @param {Source} source
 * @param {{memory?: number, held?: number, tile?: number | null, plan?: Plan | null,
 *   watch?: Watch}} [options] as of `planTiles`; a plan that was made before
 * @returns {Promise<Content>}
 */
export async function prepare(model, source, { watch, plan = null, ...limits } = {}) {
  let { card } = model;
  const contrast = contrastOf(source, null, TEXTURED) ?? 0;
  if (contrast < TEXTURED) {
    card = farFromBorders(card);
    if (plan?.whole) plan = null; // of a smaller picture
  }
  plan ??= planTiles(source.height, source.width, card, limits);
  const content = Content.of(source, card, plan, contrast);
  return plan.keep ? encode(content, model, watch) : content;
}

/**
 * Paint an encoded photograph, tile by tile: row by row from the top, from left to right.
 *
 * @param {Model} model
 * @param {Content} content its moments are put into it when they are first gathered
 * @param {StyleValue[]} styles
 * @param {Controls} controls
 * @param {Watch} [watch]
 * @returns {AsyncGenerator<PaintedTile>}
 */
export async function* paint(model, content, styles, controls, watch) {
  const { height, width } = content.source;
  const amounts = new StyleMap(controls, styles.length, height, width);
  const moments = await momentsOfStyles(model, content, styles, amounts, controls.color);
  let rest = watch;
  if (controls.coarse > 1) {
    const first = part(watch, 0, COARSE_SHARE);
    rest = part(watch, COARSE_SHARE, 1);
    content = await coarseContent(model, content, moments, amounts, controls, first);
  }
  const share = content.features === null && content.moments === null ? ENCODING_SHARE : 0;
  const changes = await fit(model, content, moments, amounts, part(rest, 0, share));
  yield* decode(content, model, changes, amounts, controls.color, part(rest, share, 1));
}

/**
 * Paint a photograph into pixels of 8 bits; in smaller tiles where memory does not suffice.
 *
 * @param {Model} model
 * @param {Source} source
 * @param {StyleValue[]} styles
 * @param {Controls} controls
 * @param {object} [options]
 * @param {Content | null} [options.content] of an earlier call, if there is one
 * @param {(content: Content) => void} [options.keep] called with what can be given to later calls
 * @param {Watch} [options.watch]
 * @param {number} [options.memory] bytes that may be used
 * @param {number} [options.held] bytes that are held meanwhile
 * @param {number | null} [options.tile] side of tiles, where one is wished for
 * @returns {Promise<Pixels>}
 */
export async function paintPixels(model, source, styles, controls, options = {}) {
  const { watch, keep, ...limits } = options;
  let content = options.content ?? null;
  let plan = content?.plan ?? planTiles(source.height, source.width, model.card, limits);
  for (;;) {
    try {
      const share = content === null && plan.keep ? ENCODING_SHARE : 0;
      content ??= await prepare(model, source, { ...limits, plan, watch: part(watch, 0, share) });
      plan = content.plan;
      keep?.(content);
      await watch?.(share);
      const tiles = paint(model, content, styles, controls, part(watch, share, 1));
      return await collected(tiles, source);
    } catch (error) {
      if (!isOutOfMemory(error)) throw error;
      content = null;
      const smaller = smallerPlan(plan);
      if (smaller === null) {
        throw new PaintError(
          `A picture of ${source.width} x ${source.height} pixels needs more memory than this ` +
            "browser allows: choose a smaller size.",
        );
      }
      plan = smaller;
    }
  }
}

/**
 * A watch that is called with a part of the progress.
 *
 * @param {Watch | undefined} watch
 * @param {number} from
 * @param {number} to
 * @returns {Watch | undefined}
 */
export function part(watch, from, to) {
  return watch && ((share) => watch(from + share * (to - from)));
}

/**
 * Difference of each style from the identity at every level, fitted to the photograph.
 *
 * @param {Model} model
 * @param {Content} content
 * @param {Moments[][]} styles
 * @param {StyleMap} amounts
 * @param {Watch} [watch]
 * @returns {Promise<Pair[][]>}
 */
async function fit(model, content, styles, amounts, watch) {
  let own = styles.map(() => content.moments);
  if (content.moments === null || amounts.regions.some((each) => each !== null)) {
    const { whole, parts } = await gather(content, model, amounts.regions, null, watch);
    content.moments = whole;
    own = parts;
  }
  const shares = textureShares(content, amounts);
  return styles.map((style, k) =>
    style.map((wanted, i) => {
      const found = /** @type {Moments[]} */ (own[k])[i];
      return gainAndShift(tonedDown(found, shares[k]), wanted);
    }),
  );
}

/**
 * For each style the share of its contrast that the photograph is given where it goes.
 *
 * @param {Content} content
 * @param {StyleMap} amounts
 * @returns {number[]}
 */
function textureShares(content, amounts) {
  // As many pixels as the coarsest level needs for moments of its own.
  const pixels = MIN_CELLS * Math.max(...content.card.levels.map((each) => each.stride)) ** 2;
  return amounts.regions.map((region) => {
    const contrast = region && contrastOf(content.source, region, TEXTURED, pixels);
    return textureShare(contrast ?? content.contrast);
  });
}

/**
 * The photograph with its strokes laid in, painted at 1/K of its size.
 *
 * @param {Model} model
 * @param {Content} content
 * @param {Moments[][]} styles
 * @param {StyleMap} amounts
 * @param {Controls} controls
 * @param {Watch} [watch]
 * @returns {Promise<Content>}
 */
async function coarseContent(model, content, styles, amounts, controls, watch) {
  const { source, card, plan, contrast } = content;
  const { rows, columns } = content.tiles[0];
  const side = Math.max(...sides({ rows: rows.core, columns: columns.core }));
  const { height, width } = smallSize(source.height, source.width, controls.coarse);
  let reduced = scaled(source, height, width);
  if (plan.whole) reduced = inMemory(reduced);
  const keep = content.features !== null;
  let small = Content.of(reduced, card, { side, keep, whole: false }, contrast);
  if (keep) small = await encode(small, model);
  const first = { ...controls, coarse: 1, alpha: 1, color: null };
  const values = styles.map((moments) => ({ moments }));
  const image = new Float32Array(height * width * 3);
  for await (const tile of paint(model, small, values, first, watch)) {
    const length = 3 * (tile.columns.stop - tile.columns.start);
    for (let y = tile.rows.start, i = 0; y < tile.rows.stop; y++, i += length) {
      image.set(tile.image.subarray(i, i + length), 3 * (y * width + tile.columns.start));
    }
  }
  const strokes = { width, height, image, alpha: null };
  /** @type {Source} */
  let basis = new CoarseSource(source, reduced, strokes, amounts);
  if (plan.whole) basis = inMemory(basis);
  const coarse = Content.of(source, card, plan, contrast, basis);
  return keep ? encode(coarse, model) : coarse;
}

/**
 * The moments of styles, those that are pictures in the colors that a color method gives them.
 *
 * @param {Model} model
 * @param {Content} content
 * @param {StyleValue[]} styles
 * @param {StyleMap} amounts
 * @param {string | null} color
 * @returns {Promise<Moments[][]>}
 */
async function momentsOfStyles(model, content, styles, amounts, color) {
  /** @type {import("./survey.js").Survey["colors"]} */
  let colors = [];
  if (color !== null && styles.some((style) => "picture" in style)) {
    colors = survey(content.source, amounts.regions, color, content.inner()).colors;
  }
  const found = [];
  for (const [k, style] of styles.entries()) {
    if ("moments" in style) {
      found.push(style.moments);
      continue;
    }
    const { picture, matched } = style;
    const key = `${model.identity} ${color} ${JSON.stringify(colors[k])}`;
    let moments = matched.get(key);
    if (moments === undefined) {
      const rows = { start: 0, stop: picture.height };
      const window = picture.window(rows, { start: 0, stop: picture.width });
      const changed = color === null ? window : matchColors(window, colors[k], color);
      moments = await styleMoments(model, new FloatSource(changed));
      matched.clear(); // a photograph is mostly painted again, not the one before it
      matched.set(key, moments);
    }
    found.push(moments);
  }
  return found;
}

/**
 * Tiles as pixels, with the opacity of the photograph.
 *
 * @param {AsyncIterable<PaintedTile>} tiles
 * @param {Source} source
 * @returns {Promise<Pixels>}
 */
export async function collected(tiles, source) {
  const { width, height } = source;
  let data;
  try {
    data = new Uint8ClampedArray(width * height * 4);
  } catch (error) {
    throw new MemoryError(error);
  }
  for await (const { rows, columns, image } of tiles) {
    const { alpha } = source.window(rows, columns);
    let i = 0;
    for (let y = rows.start; y < rows.stop; y++) {
      let out = 4 * (y * width + columns.start);
      for (let x = columns.start; x < columns.stop; x++, i++, out += 4) {
        data[out] = 255 * image[3 * i];
        data[out + 1] = 255 * image[3 * i + 1];
        data[out + 2] = 255 * image[3 * i + 2];
        data[out + 3] = alpha === null ? 255 : 255 * alpha[i];
      }
    }
  }
  return { width, height, data };
}

/**
 * A picture that is there as a whole, scaled once.
 *
 * @param {Source} source
 * @returns {Source}
 */
function inMemory(source) {
  const { height, width } = source;
  return new FloatSource(source.window({ start: 0, stop: height }, { start: 0, stop: width }));
}
