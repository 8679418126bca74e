// @ts-check
/**
 * Pictures that one takes windows of, so that only a part of them is there as floats at a time.
 * Mirrors impasto/images/windows.py, and what impasto/painting/tiles.py does to show a padded
 * picture.
 */

import { PaintError } from "../errors.js";
import { Stretch, clip } from "./resizing.js";

/** @typedef {import("../types").Pixels} Pixels */
/** @typedef {import("../types").Source} Source */
/** @typedef {import("../types").Span} Span */
/** @typedef {import("../types").Window} Window */

/** What a byte is as a fraction of white. */
const FRACTIONS = Float32Array.from({ length: 256 }, (_, value) => value / 255);

/** Numbers that a strip of a picture has at most while it is scaled: they stay in cache. */
const STRIP = 1 << 18;

/** A picture of one byte a channel. */
export class PixelSource {
  /** @param {Pixels} pixels */
  constructor(pixels) {
    this.width = pixels.width;
    this.height = pixels.height;
    this._data = pixels.data;
    this._opaque = isOpaque(pixels.data);
  }

  /**
   * @param {Span} rows
   * @param {Span} columns
   * @returns {Window}
   */
  window(rows, columns) {
    const width = columns.stop - columns.start;
    const height = rows.stop - rows.start;
    const image = new Float32Array(width * height * 3);
    const alpha = this._opaque ? null : new Float32Array(width * height);
    const data = this._data;
    let out = 0;
    for (let y = rows.start; y < rows.stop; y++) {
      let i = (y * this.width + columns.start) * 4;
      for (const end = i + width * 4; i < end; i += 4, out += 3) {
        image[out] = FRACTIONS[data[i]];
        image[out + 1] = FRACTIONS[data[i + 1]];
        image[out + 2] = FRACTIONS[data[i + 2]];
      }
    }
    if (alpha) {
      out = 0;
      for (let y = rows.start; y < rows.stop; y++) {
        let i = (y * this.width + columns.start) * 4 + 3;
        for (const end = i + width * 4; i < end; i += 4) alpha[out++] = FRACTIONS[data[i]];
      }
    }
    return { width, height, image, alpha };
  }
}

/** A picture that is there as floats. */
export class FloatSource {
  /** @param {Window} picture */
  constructor(picture) {
    this.width = picture.width;
    this.height = picture.height;
    this._picture = picture;
  }

  /**
   * @param {Span} rows
   * @param {Span} columns
   * @returns {Window} of the whole the picture itself, which is not to be changed
   */
  window(rows, columns) {
    const { width, height, image, alpha } = this._picture;
    if (rows.start === 0 && columns.start === 0 && rows.stop === height && columns.stop === width) {
      return this._picture;
    }
    return {
      width: columns.stop - columns.start,
      height: rows.stop - rows.start,
      image: cutOut(image, width, 3, rows, columns),
      alpha: alpha && cutOut(alpha, width, 1, rows, columns),
    };
  }
}

/** A picture of another size than it is kept in. */
export class ScaledSource {
  /**
   * @param {Source} source the picture
   * @param {number} height wanted, in pixels
   * @param {number} width wanted
   * @param {ArrayLike<number> | null} fill the color to give to what is transparent, so that it
   *   does not bleed into what can be seen; null to leave it
   */
  constructor(source, height, width, fill) {
    this.height = height;
    this.width = width;
    this._source = source;
    this._fill = fill;
  }

  /**
   * @param {Span} rows
   * @param {Span} columns
   * @returns {Window}
   */
  window(rows, columns) {
    const vertical = Stretch.of(this._source.height, this.height, rows);
    const horizontal = Stretch.of(this._source.width, this.width, columns);
    const width = horizontal.length;
    const { start, stop } = vertical.wanted;
    const stored = horizontal.wanted.stop - horizontal.wanted.start;
    // Along the rows strip by strip: of a large picture only a strip is there as floats.
    const step = Math.max(1, Math.floor(STRIP / (stored * 3)));
    const colors = new Float32Array((stop - start) * width * 3);
    /** @type {Float32Array | null} */
    let opacity = null;
    for (let top = start; top < stop; top += step) {
      const strip = { start: top, stop: Math.min(top + step, stop) };
      const part = this._source.window(strip, horizontal.wanted);
      const image = part.alpha && this._fill ? filled(part, this._fill) : part.image;
      horizontal.across(image, 3, part.height, colors, top - start);
      if (part.alpha) {
        opacity ??= new Float32Array((stop - start) * width);
        horizontal.across(part.alpha, 1, part.height, opacity, top - start);
      }
    }
    const image = vertical.down(colors, width * 3);
    clip(image);
    const alpha = opacity && vertical.down(opacity, width);
    if (alpha) clip(alpha);
    return { width, height: vertical.length, image, alpha };
  }
}

/**
 * A picture with a color where it is transparent.
 *
 * @param {Window} picture with opacity
 * @param {ArrayLike<number>} fill three numbers
 * @returns {Float32Array} a new image; the picture's own if nothing is transparent
 */
export function filled({ image, alpha }, fill) {
  if (!alpha) return image;
  /** @type {Float32Array | null} */
  let result = null;
  for (let i = 0; i < alpha.length; i++) {
    if (alpha[i] > 0) continue;
    result ??= image.slice();
    result[3 * i] = fill[0];
    result[3 * i + 1] = fill[1];
    result[3 * i + 2] = fill[2];
  }
  return result ?? image;
}

/**
 * The pixels of a picture that a part of its padded version shows, along one axis.
 *
 * @param {Span} cut from pixel to pixel of the padded picture
 * @param {number} margin pixels of padding before the picture
 * @param {number} length of the picture, in pixels
 * @returns {Int32Array}
 */
export function reflected(cut, margin, length) {
  const places = new Int32Array(cut.stop - cut.start);
  if (length <= 1) return places;
  const period = 2 * (length - 1);
  for (let i = 0; i < places.length; i++) {
    const place = (((cut.start + i - margin) % period) + period) % period;
    places[i] = Math.min(place, period - place);
  }
  return places;
}

/**
 * The part of a picture in which such pixels lie.
 *
 * @param {Int32Array} places at least one
 * @returns {Span}
 */
export function spanOf(places) {
  let start = places[0];
  let last = places[0];
  for (let i = 1; i < places.length; i++) {
    if (places[i] < start) start = places[i];
    if (places[i] > last) last = places[i];
  }
  return { start, stop: last + 1 };
}

/**
 * A part of a padded picture as graphs take it: (3, h, w) of a window of (H, W, 3).
 *
 * @param {Float32Array} image of the window that `spanOf(down)` and `spanOf(across)` name
 * @param {Int32Array} down the rows of the picture that are shown, of `reflected`
 * @param {Int32Array} across the columns
 * @returns {Float32Array}
 */
export function paddedPlanes(image, down, across) {
  const rows = spanOf(down);
  const columns = spanOf(across);
  const stored = columns.stop - columns.start;
  checkLength(image.length, 3, rows, columns);
  const positions = down.length * across.length;
  const result = new Float32Array(3 * positions);
  let out = 0;
  for (let y = 0; y < down.length; y++) {
    const row = (down[y] - rows.start) * stored - columns.start;
    for (let x = 0; x < across.length; x++, out++) {
      const i = 3 * (row + across[x]);
      result[out] = image[i];
      result[out + positions] = image[i + 1];
      result[out + 2 * positions] = image[i + 2];
    }
  }
  return result;
}

/**
 * A part of a padded mask, map or opacity, or of several of one size, one after the other.
 *
 * @template {Float32Array | Float64Array} F
 * @param {F} data (count, H, W) of the window that `spanOf(down)` and `spanOf(across)` name
 * @param {number} count
 * @param {Int32Array} down the rows of the picture that are shown, of `reflected`
 * @param {Int32Array} across the columns
 * @returns {F} (count, h, w)
 */
export function paddedMaps(data, count, down, across) {
  const rows = spanOf(down);
  const columns = spanOf(across);
  const stored = columns.stop - columns.start;
  checkLength(data.length, count, rows, columns);
  const size = (rows.stop - rows.start) * stored;
  const kind = /** @type {new (length: number) => F} */ (data.constructor);
  const result = new kind(count * down.length * across.length);
  let out = 0;
  for (let k = 0; k < count; k++) {
    for (let y = 0; y < down.length; y++) {
      const row = k * size + (down[y] - rows.start) * stored - columns.start;
      for (let x = 0; x < across.length; x++) result[out++] = data[row + across[x]];
    }
  }
  return result;
}

/**
 * Part of an array of rows.
 *
 * @param {Float32Array} data
 * @param {number} width pixels in a row of it
 * @param {number} channels numbers a pixel
 * @param {Span} rows
 * @param {Span} columns
 * @returns {Float32Array}
 */
export function cutOut(data, width, channels, rows, columns) {
  const length = (columns.stop - columns.start) * channels;
  const result = new Float32Array((rows.stop - rows.start) * length);
  for (let y = rows.start, out = 0; y < rows.stop; y++, out += length) {
    const i = (y * width + columns.start) * channels;
    result.set(data.subarray(i, i + length), out);
  }
  return result;
}

/** @param {Uint8ClampedArray} data */
function isOpaque(data) {
  for (let i = 3; i < data.length; i += 4) if (data[i] !== 255) return false;
  return true;
}

/**
 * @param {number} length
 * @param {number} channels
 * @param {Span} rows
 * @param {Span} columns
 */
function checkLength(length, channels, rows, columns) {
  const wanted = channels * (rows.stop - rows.start) * (columns.stop - columns.start);
  if (length !== wanted) {
    throw new PaintError(`A window has ${length} numbers, but its places need ${wanted}.`);
  }
}
