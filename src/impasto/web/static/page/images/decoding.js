// @ts-check
/**
 * Files to pixels: sRGB, upright, 8 bits a channel. Works in a worker and in the page.
 *
 * The browser decodes and converts colors; turning upright is done here, by the EXIF data, since
 * browsers differ in which formats they turn.
 */

import { PaintError } from "../errors.js";
import { exifIn, sizeOf, withoutExif } from "./containers.js";
import { orientationOf, parseExif } from "./exif.js";
import { checkWhole, kindOfPicture, tooLarge, unread } from "./kinds.js";

/** @typedef {import("../types").Photo} Photo */
/** @typedef {import("../types").Pixels} Pixels */

/** Larger pictures are refused, as on the command line, before they are decoded. */
const MAX_PIXELS = 200_000_000;
/** What is larger and fails is taken for too large, not for damaged. */
const SURE_PIXELS = 40_000_000;
/** The longer side of what is shown. */
const SHOWN_SIDE = 2048;
/** The side of what is read at once: below the largest canvas of any browser. */
const TILE = 2048;

// How the pixels of each orientation are turned upright: x' = a x + c y + e, y' = b x + d y + f,
// with e and f as multiples of the height or width before.
/** @type {Record<number, (width: number, height: number) => number[]>} */
const TURNS = {
  1: () => [1, 0, 0, 1, 0, 0],
  2: (width) => [-1, 0, 0, 1, width, 0],
  3: (width, height) => [-1, 0, 0, -1, width, height],
  4: (_, height) => [1, 0, 0, -1, 0, height],
  5: () => [0, 1, 1, 0, 0, 0],
  6: (_, height) => [0, 1, -1, 0, height, 0],
  7: (width, height) => [0, -1, -1, 0, height, width],
  8: (width) => [0, -1, 1, 0, 0, width],
};

/**
 * A file whose header is read, and whose pixels can be.
 *
 * @typedef {object} Opened
 * @property {string} name for messages
 * @property {string} kind
 * @property {Blob} blob without EXIF data
 * @property {number} orientation
 * @property {{width: number, height: number, alpha: boolean} | null} size as it is stored
 */

let photos = 0;

/**
 * Open a photograph that the user brought.
 *
 * @param {Blob} file
 * @param {string} name of its file
 * @returns {Promise<{photo: Photo, bitmap: ImageBitmap}>} the photograph, and a picture of it to be
 *   shown, of 2048 pixels at most on its longer side
 * @throws {PaintError} with a sentence for what this browser cannot read
 */
export async function openPhoto(file, name) {
  const opened = await open(file, name);
  let size = opened.size;
  let bitmap;
  if (size) {
    bitmap = await decode(opened, shownSize(size.width, size.height));
  } else {
    const whole = await decode(opened, null);
    size = { width: whole.width, height: whole.height, alpha: true };
    bitmap = await reduced(whole, shownSize(size.width, size.height));
  }
  const across = opened.orientation >= 5;
  photos += 1;
  const photo = {
    id: `photo-${photos}`,
    name,
    file,
    width: across ? size.height : size.width,
    height: across ? size.width : size.height,
  };
  return { photo, bitmap: upright(bitmap, opened.orientation) };
}

/**
 * The pixels of a picture.
 *
 * @param {Blob} blob a file
 * @param {number | null} size shorter side to which it is scaled, by the browser's own filter,
 *   which is quick and good enough to be shown; null: all pixels as they are
 * @returns {Promise<Pixels>}
 * @throws {PaintError} with a sentence for what this browser cannot read
 */
export async function decodePixels(blob, size) {
  const name = blob instanceof File && blob.name ? blob.name : "The picture";
  const opened = await open(blob, name);
  let bitmap;
  if (size === null || opened.size) {
    const target = size !== null && opened.size ? scaledSize(opened.size, size) : null;
    bitmap = await decode(opened, target);
  } else {
    const whole = await decode(opened, null);
    bitmap = await reduced(whole, scaledSize(whole, size));
  }
  const { width, height } = bitmap;
  try {
    const pixels = readPixels(bitmap, opened.orientation);
    const unlike = size === null && (opened.size?.alpha ?? true) && isTransparent(pixels);
    return (unlike && (await straightPixels(opened, width, height))) || pixels;
  } catch (error) {
    if (error instanceof RangeError) throw tooLarge(name, width, height); // no memory for them
    throw error;
  } finally {
    bitmap.close();
  }
}

/**
 * Width and height of a picture whose shorter side becomes `size`; as scaled_size has it.
 *
 * @param {{width: number, height: number}} picture
 * @param {number} size
 */
function scaledSize({ width, height }, size) {
  const shorter = Math.min(width, height);
  /** @param {number} side */
  const scaled = (side) => {
    const exact = (side * size) / shorter;
    const below = Math.floor(exact);
    const half = exact - below === 0.5; // rounded to the even number, as Python does
    return Math.max(1, half ? below + (below % 2) : Math.round(exact));
  };
  return { width: scaled(width), height: scaled(height) };
}

/** @param {number} width @param {number} height */
function shownSize(width, height) {
  const longer = Math.max(width, height);
  if (longer <= SHOWN_SIDE) return { width, height };
  /** @param {number} side */
  const shown = (side) => Math.max(1, Math.round((side * SHOWN_SIDE) / longer));
  return { width: shown(width), height: shown(height) };
}

/** @param {Blob} blob @param {string} name @returns {Promise<Opened>} */
async function open(blob, name) {
  let data;
  try {
    data = new Uint8Array(await blob.arrayBuffer());
  } catch {
    throw new PaintError(`${name} cannot be read: is it a folder, or has it been moved?`);
  }
  const kind = kindOfPicture(data, name);
  checkWhole(data, name);
  const size = sizeOf(data);
  if (size && size.width * size.height > MAX_PIXELS) throw tooLarge(name, size.width, size.height);
  const orientation = orientationOf(parseExif(exifIn(data)));
  return { name, kind, blob: withoutExif(blob, data), orientation, size };
}

/**
 * @param {Opened} opened
 * @param {{width: number, height: number} | null} target
 * @returns {Promise<ImageBitmap>}
 */
async function decode(opened, target) {
  const { size, name } = opened;
  /** @type {ImageBitmapOptions} */
  const options = { colorSpaceConversion: "default" };
  if (target && (target.width !== size?.width || target.height !== size.height)) {
    options.resizeWidth = target.width;
    options.resizeHeight = target.height;
    options.resizeQuality = "high";
  }
  try {
    return await createImageBitmap(opened.blob, options);
  } catch {
    const pixels = Math.max(
      size ? size.width * size.height : 0,
      target ? target.width * target.height : 0,
    );
    if (size && pixels > SURE_PIXELS) {
      const { width, height } = target ?? size;
      throw tooLarge(name, width, height);
    }
    throw unread(name, opened.kind);
  }
}

/** @param {ImageBitmap} bitmap which is closed @param {{width: number, height: number}} target */
async function reduced(bitmap, { width, height }) {
  if (bitmap.width === width && bitmap.height === height) return bitmap;
  const options = { resizeWidth: width, resizeHeight: height };
  const result = await createImageBitmap(bitmap, { ...options, resizeQuality: "high" });
  bitmap.close();
  return result;
}

/** @param {ImageBitmap} bitmap @param {number} orientation */
function upright(bitmap, orientation) {
  if (orientation === 1) return bitmap;
  const across = orientation >= 5;
  const { width, height } = bitmap;
  const canvas = new OffscreenCanvas(across ? height : width, across ? width : height);
  const context = contextOf(canvas);
  const [a, b, c, d, e, f] = TURNS[orientation](width, height);
  context.setTransform(a, b, c, d, e, f);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return canvas.transferToImageBitmap();
}

/** @param {OffscreenCanvas} canvas */
function contextOf(canvas) {
  const context = canvas.getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
  if (!context) throw new PaintError("This browser is out of memory: close other tabs.");
  context.imageSmoothingEnabled = false;
  context.globalCompositeOperation = "copy";
  return context;
}

/**
 * @param {ImageBitmap} bitmap as it is stored
 * @param {number} orientation
 * @returns {Pixels} upright
 */
function readPixels(bitmap, orientation) {
  const across = orientation >= 5;
  const width = across ? bitmap.height : bitmap.width;
  const height = across ? bitmap.width : bitmap.height;
  const data = new Uint8ClampedArray(4 * width * height);
  const canvas = new OffscreenCanvas(Math.min(TILE, width), Math.min(TILE, height));
  const context = contextOf(canvas);
  const [a, b, c, d, e, f] = TURNS[orientation](bitmap.width, bitmap.height);
  for (let top = 0; top < height; top += TILE) {
    for (let left = 0; left < width; left += TILE) {
      const wide = Math.min(TILE, width - left);
      const high = Math.min(TILE, height - top);
      context.setTransform(a, b, c, d, e - left, f - top);
      context.drawImage(bitmap, 0, 0);
      const tile = context.getImageData(0, 0, wide, high).data;
      if (wide === width) {
        data.set(tile, 4 * width * top);
        continue;
      }
      for (let row = 0; row < high; row++) {
        const part = tile.subarray(4 * wide * row, 4 * wide * (row + 1));
        data.set(part, 4 * (width * (top + row) + left));
      }
    }
  }
  return { width, height, data };
}

/** @param {Pixels} pixels */
function isTransparent({ data }) {
  for (let at = 3; at < data.length; at += 4) if (data[at] !== 255) return true;
  return false;
}

/**
 * Pixels that were never multiplied by their opacity, which a canvas does; null where the browser
 * has no decoder that gives them.
 *
 * @param {Opened} opened
 * @param {number} width as it is stored
 * @param {number} height
 * @returns {Promise<Pixels | null>}
 */
async function straightPixels(opened, width, height) {
  if (typeof ImageDecoder === "undefined") return null;
  const type = `image/${opened.kind.toLowerCase()}`;
  try {
    if (!(await ImageDecoder.isTypeSupported(type))) return null;
    const decoder = new ImageDecoder({
      data: await opened.blob.arrayBuffer(),
      type,
      premultiplyAlpha: "none",
      colorSpaceConversion: "default",
    });
    const { image } = await decoder.decode();
    try {
      if (image.codedWidth !== width || image.codedHeight !== height) return null;
      // Copied in the order in which they lie, since converting multiplies them after all.
      const order = /^(RGB|BGR)[AX]$/.exec(image.format ?? "")?.[1];
      const { primaries, transfer } = image.colorSpace;
      if (!order || primaries !== "bt709" || transfer !== "iec61966-2-1") return null;
      const data = new Uint8ClampedArray(image.allocationSize());
      await image.copyTo(data);
      if (order === "BGR") swapRedAndBlue(data);
      return turned({ width, height, data }, opened.orientation);
    } finally {
      image.close();
      decoder.close();
    }
  } catch {
    return null; // the canvas has given what it can
  }
}

/** @param {Uint8ClampedArray} data */
function swapRedAndBlue(data) {
  for (let at = 0; at < data.length; at += 4) {
    const first = data[at];
    data[at] = data[at + 2];
    data[at + 2] = first;
  }
}

/** @param {Pixels} pixels @param {number} orientation @returns {Pixels} */
function turned(pixels, orientation) {
  if (orientation === 1) return pixels;
  const across = orientation >= 5;
  const width = across ? pixels.height : pixels.width;
  const height = across ? pixels.width : pixels.height;
  const [a, b, c, d, e, f] = TURNS[orientation](pixels.width, pixels.height);
  const from = new Uint32Array(pixels.data.buffer);
  const to = new Uint32Array(width * height);
  // The middle of a pixel is turned, so that it stays in the middle of one.
  for (let y = 0; y < pixels.height; y++) {
    for (let x = 0; x < pixels.width; x++) {
      const right = a * (x + 0.5) + c * (y + 0.5) + e - 0.5;
      const down = b * (x + 0.5) + d * (y + 0.5) + f - 0.5;
      to[width * down + right] = from[pixels.width * y + x];
    }
  }
  return { width, height, data: new Uint8ClampedArray(to.buffer) };
}
