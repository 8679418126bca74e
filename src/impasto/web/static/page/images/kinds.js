// @ts-check
/** Kinds of files by their first bytes, and sentences about those that cannot be painted. */

import { PaintError } from "../errors.js";
import { containerOf, framesIn, partsOf, textAt } from "./containers.js";

const MEND = "save it as JPEG or PNG first, or paint it with impasto stylize";

// Suffixes of raw photographs, many of which are TIFFs inside.
const RAW = new Set(
  (
    "3fr arw cr2 cr3 crw dcr dng erf fff gpr iiq kdc mef mos mrw nef nrw orf pef " +
    "raf raw rw2 rwl sr2 srf srw x3f"
  ).split(" "),
);
const RAW_MAGIC =
  /^(?:....ftypcrx |(?:II\x2a\0|MM\0\x2a)....(?:CR|IIII|MMMM)|II....HEAPCCDR|FUJIFILMCCD-RAW|\0MRM|IIR[OS]|MMOR|IIU\0|FOVb)/s;
const FILM = /^(?:....ftyp(?!avi[fs]|he[iv]|mi?f1|msf1|jp2|jxl|crx)|\x1a\x45\xdf\xa3|RIFF....AVI |\0\0\x01\xba|....(?:moov|mdat|wide))/s;

// Pictures of which not every browser reads every kind: tried, and named where that fails.
/** @type {[RegExp, string][]} */
const PICTURES = [
  [/^\xff\xd8\xff/, "JPEG"],
  [/^\x89PNG\r\n\x1a\n/, "PNG"],
  [/^RIFF....WEBP/s, "WebP"],
  [/^GIF8[79]a/, "GIF"],
  [/^BM/, "BMP"],
  [/^....ftypavi[fs]/s, "AVIF"],
  [/^....ftyp(?:he[iv][cxms]|mif1|msf1)/s, "HEIC"],
  [/^(?:II\x2a\0|MM\0\x2a|II\x2b\0|MM\0\x2b)/, "TIFF"],
  [/^(?:\xff\x4f\xff\x51|\0\0\0\x0cjP {2})/, "JPEG 2000"],
  [/^(?:\xff\x0a|\0\0\0\x0cJXL )/, "JPEG XL"],
  [/^\0\0[\x01\x02]\0/, "ICO"],
  [/^8BPS/, "Photoshop"],
  [/^P[1-6]\s/, "PPM"],
  [/^(?:\x76\x2f\x31\x01)/, "OpenEXR"],
];
/** Those that every browser reads: if it does not, the file is damaged. */
const EVERYWHERE = new Set(["JPEG", "PNG", "WebP", "GIF", "BMP"]);

/** @type {[RegExp, string][]} */
const OTHERS = [
  [/^%PDF/, "a PDF document"],
  [/^PK\x03\x04/, "a ZIP archive: unpack it first"],
  [/^(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)?(?:<!doctype svg[^>]*>\s*)?<svg\b/is,
    "a drawing (SVG)"],
  [/^(?:\xef\xbb\xbf)?\s*(?:<!--.*?-->\s*)?<(?:!doctype\s+html|html|head|body|script)\b/is,
    "a web page"],
];

/**
 * The name of a picture's kind, such as "JPEG".
 *
 * @param {Uint8Array} data its bytes
 * @param {string} name of the file
 * @returns {string}
 * @throws {PaintError} if it is none, or a raw photograph, or a film
 */
export function kindOfPicture(data, name) {
  if (data.length === 0) throw new PaintError(`${name} is empty: download or save it again.`);
  const head = textAt(data, 0, Math.min(data.length, 512));
  const suffix = name.slice(name.lastIndexOf(".") + 1).toLowerCase();
  const kind = PICTURES.find(([magic]) => magic.test(head))?.[1];
  if (RAW_MAGIC.test(head) || (RAW.has(suffix) && (kind === "TIFF" || kind === undefined))) {
    throw new PaintError(
      `${name} is a raw photograph: develop it in a raw converter first, ` +
        "and save it as JPEG.",
    );
  }
  if (FILM.test(head)) throw new PaintError(`${name} is a film: open it under Film.`);
  if (kind !== undefined) return kind;
  const other = OTHERS.find(([magic]) => magic.test(head))?.[1];
  throw new PaintError(
    other
      ? `${name} is not a picture, but ${other}.`
      : `${name} is not a supported picture: choose a JPEG, PNG, WebP, AVIF or GIF file.`,
  );
}

/**
 * Refuse a picture that is not whole, or more than one.
 *
 * Browsers paint what there is of a photograph, and leave the rest grey.
 *
 * @param {Uint8Array} data
 * @param {string} name
 */
export function checkWhole(data, name) {
  if (cutShort(data)) throw damaged(name);
  const frames = framesIn(data);
  if (frames > 1) {
    throw new PaintError(
      `${name} is an animation of ${frames} frames: paint it with impasto video.`,
    );
  }
}

/** @param {Uint8Array} data */
function cutShort(data) {
  const parts = partsOf(data);
  switch (containerOf(data)) {
    case "png":
      return parts.at(-1)?.kind !== "IEND";
    case "webp":
      return new DataView(data.buffer, data.byteOffset).getUint32(4, true) + 8 > data.length + 1;
    case "jpeg": {
      const pixels = parts.at(-1);
      if (pixels?.kind !== "da") return true;
      // 0xff stands among pixels with 0 behind it only, so this is the end of the picture.
      let at = data.indexOf(0xff, pixels.from);
      while (at >= 0 && data[at + 1] !== 0xd9) at = data.indexOf(0xff, at + 1);
      return at < 0;
    }
    default:
      return false;
  }
}

/**
 * The error for a picture that the browser does not read.
 *
 * @param {string} name
 * @param {string} kind
 */
export function unread(name, kind) {
  if (EVERYWHERE.has(kind)) return damaged(name);
  const article = /^[AHIO]/.test(kind) && kind !== "HEIC" ? "an" : "a";
  return new PaintError(
    `${name} is ${article} ${kind} picture that this browser cannot read: ${MEND}.`,
  );
}

/** @param {string} name */
export function damaged(name) {
  return new PaintError(`${name} is damaged or truncated: download or save it again.`);
}

/**
 * The error for a picture that is larger than the browser can hold.
 *
 * @param {string} name
 * @param {number} width
 * @param {number} height
 */
export function tooLarge(name, width, height) {
  const millions = ((width * height) / 1e6).toFixed(width * height < 1e7 ? 1 : 0);
  return new PaintError(
    `${name} has ${width} x ${height} pixels, ${millions} megapixels, more than this browser ` +
      "can hold: make it smaller, or paint it with impasto stylize.",
  );
}
