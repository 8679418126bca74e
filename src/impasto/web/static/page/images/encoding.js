// @ts-check
/**
 * Pixels to files, and what a result tells of its photograph: EXIF data without the place, the
 * thumbnail and the orientation, as the command line keeps them. All results are sRGB.
 */

import { PaintError } from "../errors.js";
import { exifIn, pngChunk, withExif } from "./containers.js";
import { exifBytes, keptExif, parseExif } from "./exif.js";

/** @typedef {import("../types").Pixels} Pixels */
/** @typedef {"png" | "jpeg" | "webp"} Format */

/** @type {Record<Format, string>} */
const TITLES = { png: "PNG", jpeg: "JPEG", webp: "WebP" };
// The longest side of each: browsers cut off what is beyond it without a word.
const LONGEST = { jpeg: 65_535, webp: 16_383 };

/**
 * A file of a picture.
 *
 * @param {Pixels} pixels
 * @param {Format} format PNG keeps every bit; JPEG has no transparency, and gets white instead
 * @param {number} quality of JPEG and WebP, 1 to 100
 * @returns {Promise<Blob>}
 * @throws {PaintError} if this browser does not write the format, or no picture so large
 */
export async function encode(pixels, format, quality) {
  if (format === "png") return encodePng(pixels);
  const type = `image/${format}`;
  const refused = new PaintError(
    `This browser cannot write ${pixels.width} x ${pixels.height} pixels as ${TITLES[format]}: ` +
      "choose PNG, or a smaller size.",
  );
  if (Math.max(pixels.width, pixels.height) > LONGEST[format]) throw refused;
  let blob;
  try {
    const canvas = new OffscreenCanvas(pixels.width, pixels.height);
    const context = canvas.getContext("2d", { colorSpace: "srgb" });
    if (!context) throw refused;
    const data = format === "jpeg" ? onWhite(pixels.data) : pixels.data;
    const image = new ImageData(
      /** @type {Uint8ClampedArray<ArrayBuffer>} */ (data), pixels.width, pixels.height,
    );
    context.putImageData(image, 0, 0);
    blob = await canvas.convertToBlob({ type, quality: quality / 100 });
  } catch {
    throw refused; // a canvas has a largest size, and so has the format
  }
  if (blob.type !== type) {
    throw new PaintError(`This browser cannot write ${TITLES[format]}: choose PNG or JPEG.`);
  }
  return blob;
}

/**
 * The same file with the EXIF data of a photograph, as far as they hold for a result.
 *
 * @param {Blob} blob a result: PNG, JPEG or WebP
 * @param {Blob} original the file of its photograph
 * @returns {Promise<Blob>} `blob` itself where there is nothing to keep, or no sense in it
 */
export async function withMetadata(blob, original) {
  try {
    const found = exifIn(new Uint8Array(await original.arrayBuffer()));
    if (found.length === 0) return blob;
    const exif = exifBytes(keptExif(parseExif(found)));
    if (exif.length === 0) return blob;
    return withExif(blob, new Uint8Array(await blob.arrayBuffer()), exif);
  } catch {
    return blob; // no metadata are worth a picture
  }
}

/** @param {Uint8ClampedArray} data */
function onWhite(data) {
  /** @type {Uint8ClampedArray | null} */
  let result = null;
  for (let at = 0; at < data.length; at += 4) {
    const alpha = data[at + 3];
    if (alpha === 255) continue;
    result ??= data.slice();
    for (let channel = at; channel < at + 3; channel++) {
      result[channel] = (data[channel] * alpha + 255 * (255 - alpha)) / 255;
    }
    result[at + 3] = 255;
  }
  return result ?? data;
}

/**
 * A PNG of all pixels as they are: a canvas would multiply them by their opacity, and has a largest
 * size.
 *
 * @param {Pixels} pixels
 * @returns {Promise<Blob>}
 */
async function encodePng({ width, height, data }) {
  const alpha = isTransparent(data);
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header[8] = 8;
  header[9] = alpha ? 6 : 2;
  /** @type {BlobPart[]} */
  const parts = [
    new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    pngChunk("IHDR", header),
    pngChunk("sRGB", new Uint8Array([1])), // relative colorimetric
  ];
  const stream = new CompressionStream("deflate");
  const rows = writeRows(stream.writable.getWriter(), data, width, height, alpha ? 4 : 3);
  const reader = stream.readable.getReader();
  for (let got = await reader.read(); !got.done; got = await reader.read()) {
    parts.push(pngChunk("IDAT", got.value));
  }
  await rows;
  parts.push(pngChunk("IEND", new Uint8Array(0)));
  return new Blob(parts, { type: "image/png" });
}

/** @param {Uint8ClampedArray} data */
function isTransparent(data) {
  for (let at = 3; at < data.length; at += 4) if (data[at] !== 255) return true;
  return false;
}

/** Bytes that are filtered before they are compressed. */
const AT_ONCE = 1 << 20;

/**
 * @param {WritableStreamDefaultWriter<BufferSource>} writer
 * @param {Uint8ClampedArray} data RGBA
 * @param {number} width
 * @param {number} height
 * @param {3 | 4} channels that are written
 */
async function writeRows(writer, data, width, height, channels) {
  const length = width * channels;
  const together = Math.max(1, Math.floor(AT_ONCE / (length + 1)));
  let above = new Uint8Array(length);
  let row = new Uint8Array(length);
  const filtered = Array.from({ length: FILTERS.length }, () => new Uint8Array(length));
  for (let top = 0; top < height; top += together) {
    const rows = Math.min(together, height - top);
    const band = new Uint8Array(rows * (length + 1));
    for (let index = 0; index < rows; index++) {
      const from = 4 * width * (top + index);
      if (channels === 4) {
        row.set(data.subarray(from, from + length));
      } else {
        for (let at = 0, source = from; at < length; at += 3, source += 4) {
          row[at] = data[source];
          row[at + 1] = data[source + 1];
          row[at + 2] = data[source + 2];
        }
      }
      const best = filterRow(row, above, channels, filtered);
      band[index * (length + 1)] = FILTERS[best];
      band.set(filtered[best], index * (length + 1) + 1);
      [above, row] = [row, above];
    }
    await writer.write(band);
  }
  await writer.close();
}

/** Filters of PNG that are tried: what is left of a pixel without its left, upper, either one. */
const FILTERS = [1, 2, 4];

/**
 * Filter a row in each way (PNG, third edition, 9.2).
 *
 * @param {Uint8Array} row
 * @param {Uint8Array} above
 * @param {number} step bytes of a pixel
 * @param {Uint8Array[]} filtered where the results go
 * @returns {number} which result has the least in it, and so is likely to be packed best
 */
function filterRow(row, above, step, filtered) {
  const [sub, up, paeth] = filtered;
  let [ofSub, ofUp, ofPaeth] = [0, 0, 0];
  for (let at = 0; at < row.length; at++) {
    const value = row[at];
    const left = at < step ? 0 : row[at - step];
    const upper = above[at];
    const corner = at < step ? 0 : above[at - step];
    const toLeft = Math.abs(upper - corner);
    const toUpper = Math.abs(left - corner);
    const toCorner = Math.abs(left + upper - 2 * corner);
    let near = corner;
    if (toLeft <= toUpper && toLeft <= toCorner) near = left;
    else if (toUpper <= toCorner) near = upper;
    // As signed bytes, whose sizes are added up.
    const a = ((value - left) << 24) >> 24;
    const b = ((value - upper) << 24) >> 24;
    const c = ((value - near) << 24) >> 24;
    sub[at] = a;
    up[at] = b;
    paeth[at] = c;
    ofSub += a < 0 ? -a : a;
    ofUp += b < 0 ? -b : b;
    ofPaeth += c < 0 ? -c : c;
  }
  if (ofPaeth <= ofSub && ofPaeth <= ofUp) return 2;
  return ofSub <= ofUp ? 0 : 1;
}
