// @ts-check
/**
 * What JPEG, PNG and WebP files are made of: finding, leaving out and putting in EXIF data,
 * without a look at the pixels.
 */

/**
 * A part of a file: a segment of a JPEG, a chunk of a PNG or of a WebP.
 *
 * @typedef {object} Part
 * @property {string} kind marker (of JPEG, such as "e1") or name
 * @property {number} start of the whole part
 * @property {number} from of its data
 * @property {number} to behind its data
 * @property {number} stop behind the whole part
 */

/** @typedef {"jpeg" | "png" | "webp"} Container */

/** Bytes before EXIF data in a JPEG. */
const PREFIX = new Uint8Array([0x45, 0x78, 0x69, 0x66, 0, 0]);
const MOST_OF_JPEG = 65_533;
const PNG_SIGNATURE = "\x89PNG\r\n\x1a\n";

/**
 * @param {Uint8Array} data
 * @param {number} at
 * @param {number} length
 */
export function textAt(data, at, length) {
  return String.fromCharCode(...data.subarray(at, at + length));
}

/**
 * The container of a file by its first bytes, or null for another.
 *
 * @param {Uint8Array} data
 * @returns {Container | null}
 */
export function containerOf(data) {
  if (data[0] === 0xff && data[1] === 0xd8 && data[2] === 0xff) return "jpeg";
  if (textAt(data, 0, 8) === PNG_SIGNATURE) return "png";
  if (textAt(data, 0, 4) === "RIFF" && textAt(data, 8, 4) === "WEBP") return "webp";
  return null;
}

/**
 * The parts of a file as far as it is whole; of a JPEG those before its pixels, and "da", which
 * goes to the end.
 *
 * @param {Uint8Array} data
 * @returns {Part[]}
 */
export function partsOf(data) {
  const container = containerOf(data);
  if (container === "jpeg") return jpegParts(data);
  return container === null ? [] : chunks(data, container);
}

/** @param {Uint8Array} data */
function jpegParts(data) {
  /** @type {Part[]} */
  const parts = [];
  let at = 2;
  while (at + 4 <= data.length && data[at] === 0xff) {
    const marker = data[at + 1];
    if (marker === 0xff) {
      at += 1; // a filling byte
      continue;
    }
    const kind = marker.toString(16);
    if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) {
      at += 2; // markers without data
      continue;
    }
    if (marker === 0xd9) break;
    const stop = at + 2 + 256 * data[at + 2] + data[at + 3];
    if (stop > data.length || stop < at + 4) break;
    if (marker === 0xda) {
      parts.push({ kind, start: at, from: stop, to: data.length, stop: data.length });
      break;
    }
    parts.push({ kind, start: at, from: at + 4, to: stop, stop });
    at = stop;
  }
  return parts;
}

/** @param {Uint8Array} data @param {"png" | "webp"} container */
function chunks(data, container) {
  /** @type {Part[]} */
  const parts = [];
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const png = container === "png";
  let at = png ? 8 : 12;
  while (at + 8 <= data.length) {
    const length = view.getUint32(at + (png ? 0 : 4), !png);
    const kind = textAt(data, at + (png ? 4 : 0), 4);
    const to = at + 8 + length;
    // The last filling byte of a WebP is often forgotten.
    const stop = png ? to + 4 : Math.min(to + (length % 2), Math.max(data.length, to));
    if (stop > data.length) break;
    parts.push({ kind, start: at, from: at + 8, to, stop });
    at = stop;
    if (png && kind === "IEND") break;
  }
  return parts;
}

/** @param {Uint8Array} data @param {Part} part @param {Container} container */
function holdsExif(data, part, container) {
  if (container === "jpeg") return part.kind === "e1" && textAt(data, part.from, 4) === "Exif";
  return part.kind === (container === "png" ? "eXIf" : "EXIF");
}

/**
 * The EXIF data of a file, as they lie in it; empty for none.
 *
 * @param {Uint8Array} data
 * @returns {Uint8Array}
 */
export function exifIn(data) {
  const container = containerOf(data);
  if (container === null) return new Uint8Array(0);
  const part = partsOf(data).find((each) => holdsExif(data, each, container));
  return part ? data.subarray(part.from, part.to) : new Uint8Array(0);
}

/**
 * The same file without EXIF data, so that nobody turns its pixels.
 *
 * @param {Blob} blob
 * @param {Uint8Array} data its bytes
 * @returns {Blob} of parts of `blob`, which are not copied
 */
export function withoutExif(blob, data) {
  const container = containerOf(data);
  if (container === null) return blob;
  const parts = partsOf(data).filter((each) => holdsExif(data, each, container));
  if (parts.length === 0) return blob;
  /** @type {BlobPart[]} */
  const kept = [];
  let done = 0;
  for (const part of parts) {
    kept.push(blob.slice(done, part.start));
    done = part.stop;
  }
  kept.push(blob.slice(done));
  if (container === "webp") {
    const left = data.length - parts.reduce((sum, each) => sum + each.stop - each.start, 0);
    const head = data.slice(0, 12);
    new DataView(head.buffer).setUint32(4, left - 8, true);
    kept[0] = new Blob([head, blob.slice(12, parts[0].start)]);
  }
  return new Blob(kept, { type: blob.type });
}

/**
 * The same file with EXIF data; as it is where its container holds none, or not so many.
 *
 * @param {Blob} blob without EXIF data: a result
 * @param {Uint8Array} data its bytes
 * @param {Uint8Array} exif without the prefix of a JPEG's
 * @returns {Blob}
 */
export function withExif(blob, data, exif) {
  const container = containerOf(data);
  if (container === null || exif.length === 0) return blob;
  if (container === "jpeg") return jpegWithExif(blob, data, exif);
  const type = { type: blob.type };
  const parts = partsOf(data);
  if (container === "webp") return new Blob(webpWithExif(data, parts, exif), type);
  const header = parts.find((each) => each.kind === "IHDR");
  if (!header) return blob;
  const chunk = pngChunk("eXIf", exif);
  return new Blob([blob.slice(0, header.stop), chunk, blob.slice(header.stop)], type);
}

/** @param {Blob} blob @param {Uint8Array} data @param {Uint8Array} exif */
function jpegWithExif(blob, data, exif) {
  const length = PREFIX.length + exif.length;
  if (length > MOST_OF_JPEG) return blob;
  const first = partsOf(data)[0];
  const at = first && first.kind === "e0" ? first.stop : 2; // behind what tells that it is JFIF
  const head = new Uint8Array([0xff, 0xe1, (length + 2) >> 8, (length + 2) & 255]);
  const parts = [blob.slice(0, at), head, PREFIX, exif.slice(), blob.slice(at)];
  return new Blob(parts, { type: blob.type });
}

/**
 * @param {Uint8Array} data
 * @param {Part[]} parts
 * @param {Uint8Array} exif
 * @returns {Uint8Array<ArrayBuffer>[]}
 */
function webpWithExif(data, parts, exif) {
  const size = sizeOfWebp(data);
  if (size === null) return [data.slice()];
  const kept = parts.filter((each) => each.kind !== "VP8X");
  const features = parts.find((each) => each.kind === "VP8X");
  const extended = riffChunk("VP8X", new Uint8Array(10));
  extended[8] = 0x08 | (features ? data[features.from] : size.alpha ? 0x10 : 0);
  const view = new DataView(extended.buffer);
  view.setUint16(12, (size.width - 1) & 0xffff, true);
  view.setUint8(14, (size.width - 1) >> 16);
  view.setUint16(15, (size.height - 1) & 0xffff, true);
  view.setUint8(17, (size.height - 1) >> 16);
  const body = [extended, ...kept.map((each) => data.slice(each.start, each.stop))];
  body.push(riffChunk("EXIF", exif));
  const head = data.slice(0, 12);
  const length = body.reduce((sum, each) => sum + each.length, 4);
  new DataView(head.buffer).setUint32(4, length, true);
  return [head, ...body];
}

/** @param {string} kind @param {Uint8Array} data */
function riffChunk(kind, data) {
  const chunk = new Uint8Array(8 + data.length + (data.length % 2));
  chunk.set(Array.from(kind, (letter) => letter.charCodeAt(0)));
  new DataView(chunk.buffer).setUint32(4, data.length, true);
  chunk.set(data, 8);
  return chunk;
}

/**
 * A chunk of a PNG.
 *
 * @param {string} kind
 * @param {Uint8Array} data
 */
export function pngChunk(kind, data) {
  const chunk = new Uint8Array(12 + data.length);
  const view = new DataView(chunk.buffer);
  view.setUint32(0, data.length);
  chunk.set(Array.from(kind, (letter) => letter.charCodeAt(0)), 4);
  chunk.set(data, 8);
  view.setUint32(8 + data.length, crc32(chunk.subarray(4, 8 + data.length)));
  return chunk;
}

/** @type {Uint32Array | undefined} */
let table;

/**
 * The checksum of PNG and ZIP (ISO 3309), which can go on from that of what stands before.
 *
 * @param {Uint8Array} data
 * @param {number} [before]
 */
export function crc32(data, before = 0) {
  table ??= Uint32Array.from({ length: 256 }, (_, byte) => {
    for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? (byte >>> 1) ^ 0xedb88320 : byte >>> 1;
    return byte;
  });
  let crc = ~before;
  for (let at = 0; at < data.length; at++) crc = table[(crc ^ data[at]) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}

/**
 * The size of a picture by its header, before it is decoded, and whether it may be transparent;
 * null where it is not known.
 *
 * @param {Uint8Array} data
 * @returns {{width: number, height: number, alpha: boolean} | null}
 */
export function sizeOf(data) {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  switch (containerOf(data)) {
    case "png": {
      if (data.length < 33) return null;
      const parts = partsOf(data);
      const alpha = (data[25] & 4) !== 0 || parts.some((each) => each.kind === "tRNS");
      return { width: view.getUint32(16), height: view.getUint32(20), alpha };
    }
    case "jpeg": {
      const frame = partsOf(data).find(({ kind }) => /^c[0-35-79-bd-f]$/.test(kind));
      if (!frame || frame.to - frame.from < 5) return null;
      const [height, width] = [view.getUint16(frame.from + 1), view.getUint16(frame.from + 3)];
      return { width, height, alpha: false };
    }
    case "webp":
      return sizeOfWebp(data);
    default:
      break;
  }
  if (/^GIF8[79]a/.test(textAt(data, 0, 6)) && data.length > 10) {
    return { width: view.getUint16(6, true), height: view.getUint16(8, true), alpha: true };
  }
  return null;
}

/**
 * How many pictures a file shows one after the other: more than one is a film.
 *
 * @param {Uint8Array} data
 */
export function framesIn(data) {
  if (textAt(data, 0, 4) === "GIF8") return framesOfGif(data);
  const parts = partsOf(data);
  const control = parts.find((each) => each.kind === "acTL");
  if (control && control.to - control.from >= 4) {
    return new DataView(data.buffer, data.byteOffset + control.from, 4).getUint32(0);
  }
  return Math.max(1, parts.filter((each) => each.kind === "ANMF").length);
}

/** @param {Uint8Array} data */
function framesOfGif(data) {
  /** @param {number} packed the byte that tells of a table of colors */
  const colors = (packed) => (packed & 0x80 ? 3 << ((packed & 7) + 1) : 0);
  let frames = 0;
  let at = 13 + colors(data[10]);
  while (at < data.length && data[at] !== 0x3b) {
    if (data[at] === 0x2c) {
      frames += 1;
      at += 11 + colors(data[at + 9]);
    } else {
      at += 2;
    }
    while (at < data.length && data[at] !== 0) at += data[at] + 1; // its blocks
    at += 1;
  }
  return Math.max(1, frames);
}

/** @param {Uint8Array} data */
function sizeOfWebp(data) {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const first = partsOf(data).find(({ kind }) => /^VP8[ LX]$/.test(kind));
  if (!first || first.to - first.from < (first.kind === "VP8L" ? 5 : 10)) return null;
  const at = first.from;
  if (first.kind === "VP8X") {
    const width = view.getUint16(at + 4, true) + (data[at + 6] << 16) + 1;
    const height = view.getUint16(at + 7, true) + (data[at + 9] << 16) + 1;
    return { width, height, alpha: (data[at] & 0x10) !== 0 };
  }
  if (first.kind === "VP8L") {
    const bits = view.getUint32(at + 1, true);
    const width = (bits & 0x3fff) + 1;
    const height = ((bits >>> 14) & 0x3fff) + 1;
    return { width, height, alpha: ((bits >>> 28) & 1) !== 0 };
  }
  const width = view.getUint16(at + 6, true) & 0x3fff;
  const height = view.getUint16(at + 8, true) & 0x3fff;
  return { width, height, alpha: false };
}
