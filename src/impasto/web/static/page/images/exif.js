// @ts-check
/**
 * EXIF data as directories of raw values, as impasto/images/exif.py has them: what is kept leaves
 * as the bytes that came in, whatever they mean. The structure is that of TIFF 6.0, the tags are
 * those of EXIF 3.0.
 */

/**
 * A value of a directory as it is stored: type, how many, and its bytes in the file's order.
 *
 * @typedef {{type: number, many: number, data: Uint8Array}} Value
 */

/** @typedef {Map<number, Value>} Directory */

/**
 * The three directories of EXIF data.
 *
 * @typedef {object} Exif
 * @property {boolean} little the order of its bytes: the least one first
 * @property {Directory} main title, camera, artist ...
 * @property {Directory} shot exposure, lens, dates ...
 * @property {Directory} place GPS
 * @property {boolean} whole false if something of it was damaged, or too large, and passed over
 */

const ORIENTATION = 0x0112;
const X_RESOLUTION = 0x011a;
const Y_RESOLUTION = 0x011b;
const RESOLUTION_UNIT = 0x0128;
const SHOT = 0x8769;
const PLACE = 0x8825;
const LONG = 4;

// Bytes of a value of each type.
/** @type {Record<number, number>} */
const TYPE_BYTES = {
  1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8,
  13: 4, 16: 8, 17: 8, 18: 8, 129: 1,
};

// What is kept of the first directory: document, title, camera, page, program, date, artist,
// computer, stars, copyright, Windows' five (XP...), and what some programs put there instead of
// into the second directory (dates, comment, owner, lens).
const MAIN_KEPT = new Set([
  0x010d, 0x010e, 0x010f, 0x0110, 0x011d, 0x0131, 0x0132, 0x013b, 0x013c,
  X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT, 0x4746, 0x4749, 0x8298,
  0x9003, 0x9004, 0x9286, ...range(0x9c9b, 0x9ca0), ...range(0xa430, 0xa440),
]);
// What is not kept of the second one, because it is no longer true or nobody can read it at
// another place in a file: bits a pixel, the maker's blob, color space and gamma, size, related
// sound, further directories, padding.
const SHOT_DROPPED = new Set([
  0x9102, 0x927c, 0xa001, 0xa002, 0xa003, 0xa004, 0xa005, 0xa500, 0xea1c, SHOT, PLACE,
]);

const MOST_ENTRIES = 4096;
const MOST_BYTES = 4 << 20;

/** @param {number} start @param {number} stop */
function range(start, stop) {
  return Array.from({ length: stop - start }, (_, index) => start + index);
}

/**
 * EXIF data as files have them, with or without the prefix of a JPEG's; an empty value for what is
 * none. What is damaged is passed over.
 *
 * @param {Uint8Array} data
 * @returns {Exif}
 */
export function parseExif(data) {
  if (startsWithPrefix(data)) data = data.subarray(6);
  /** @type {Exif} */
  const exif = {
    little: true, main: new Map(), shot: new Map(), place: new Map(), whole: data.length === 0,
  };
  if (data.length < 8) return exif;
  const mark = String.fromCharCode(data[0], data[1]);
  if (mark !== "II" && mark !== "MM") return exif;
  const little = mark === "II";
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let left = MOST_BYTES;
  let whole = true;

  /** @param {number} start @param {(tag: number) => boolean} wanted @returns {Directory} */
  function directory(start, wanted) {
    /** @type {Directory} */
    const found = new Map();
    if (start + 2 > data.length) {
      whole = false;
      return found;
    }
    const count = view.getUint16(start, little);
    const room = Math.floor((data.length - start - 2) / 12);
    if (count > Math.min(room, MOST_ENTRIES)) whole = false;
    for (let index = 0; index < Math.min(count, room, MOST_ENTRIES); index++) {
      const at = start + 2 + 12 * index;
      const tag = view.getUint16(at, little);
      if (!wanted(tag) || found.has(tag)) continue;
      const type = view.getUint16(at + 2, little);
      const many = view.getUint32(at + 4, little);
      const length = (TYPE_BYTES[type] ?? 0) * many;
      if (length > left) {
        whole = false;
        continue;
      }
      left -= length;
      const place = length > 4 ? view.getUint32(at + 8, little) : at + 8;
      if (!length || place + length > data.length) {
        whole = whole && !many;
        continue;
      }
      found.set(tag, { type, many, data: data.slice(place, place + length) });
    }
    return found;
  }

  /** @param {number} tag @param {(tag: number) => boolean} wanted @returns {Directory} */
  function inner(tag, wanted) {
    const pointer = exif.main.get(tag);
    exif.main.delete(tag);
    const start = pointer?.many === 1 ? wholeNumber(pointer, little) : null;
    return start === null ? new Map() : directory(start, wanted);
  }

  exif.little = little;
  exif.main = directory(
    view.getUint32(4, little),
    (tag) => MAIN_KEPT.has(tag) || tag === ORIENTATION || tag === SHOT || tag === PLACE,
  );
  exif.shot = inner(SHOT, (tag) => !SHOT_DROPPED.has(tag));
  exif.place = inner(PLACE, () => true);
  exif.whole = whole;
  return exif;
}

/** @param {Uint8Array} data */
function startsWithPrefix(data) {
  return data.length >= 6 && String.fromCharCode(...data.subarray(0, 6)) === "Exif\0\0";
}

/** @param {Value} value @param {boolean} little @returns {number | null} */
function wholeNumber(value, little) {
  const view = new DataView(value.data.buffer, value.data.byteOffset, value.data.byteLength);
  if (value.type === 3) return view.getUint16(0, little);
  if (value.type === 4 || value.type === 13) return view.getUint32(0, little);
  return null;
}

/**
 * How the pixels have to be turned, 1 to 8; 1 where nothing, or no sense, is said.
 *
 * @param {Exif} exif
 */
export function orientationOf(exif) {
  const value = exif.main.get(ORIENTATION);
  const number = value && value.many ? wholeNumber(value, exif.little) : null;
  return number !== null && number >= 1 && number <= 8 ? number : 1;
}

/**
 * The part that holds for a result, which is upright: without the place, the thumbnail, the
 * orientation, and whatever is no longer true.
 *
 * @param {Exif} exif
 * @returns {Exif}
 */
export function keptExif(exif) {
  const main = new Map([...exif.main].filter(([tag]) => MAIN_KEPT.has(tag)));
  if (orientationOf(exif) >= 5) {
    const [x, y] = [main.get(X_RESOLUTION), main.get(Y_RESOLUTION)];
    main.delete(X_RESOLUTION);
    main.delete(Y_RESOLUTION);
    if (y) main.set(X_RESOLUTION, y);
    if (x) main.set(Y_RESOLUTION, x);
  }
  return { ...exif, main, place: new Map() };
}

/**
 * EXIF data as PNG and WebP have them, which is without the prefix of a JPEG's; empty if there is
 * nothing in them.
 *
 * @param {Exif} exif
 * @returns {Uint8Array}
 */
export function exifBytes(exif) {
  const directories = [exif.main, exif.shot, exif.place];
  if (directories.every((each) => each.size === 0)) return new Uint8Array(0);
  const main = new Map(exif.main);
  const inner = /** @type {[number, Directory][]} */ ([
    [SHOT, exif.shot],
    [PLACE, exif.place],
  ]).filter(([, each]) => each.size > 0);
  for (const [tag] of inner) main.set(tag, pointer(0, exif.little));
  let at = 8 + packedSize(main);
  /** @type {[Directory, number][]} */
  const placed = [[main, 8]];
  for (const [tag, each] of inner) {
    main.set(tag, pointer(at, exif.little));
    placed.push([each, at]);
    at += packedSize(each);
  }
  const result = new Uint8Array(at);
  const view = new DataView(result.buffer);
  result.fill((exif.little ? "I" : "M").charCodeAt(0), 0, 2);
  view.setUint16(2, 42, exif.little);
  view.setUint32(4, 8, exif.little);
  for (const [directory, start] of placed) pack(result, directory, start, exif.little);
  return result;
}

/** @param {number} to @param {boolean} little @returns {Value} */
function pointer(to, little) {
  const data = new Uint8Array(4);
  new DataView(data.buffer).setUint32(0, to, little);
  return { type: LONG, many: 1, data };
}

/** @param {Directory} directory */
function packedSize(directory) {
  let size = 2 + 12 * directory.size + 4;
  for (const { data } of directory.values()) {
    if (data.length > 4) size += data.length + (data.length % 2);
  }
  return size;
}

/**
 * @param {Uint8Array} result
 * @param {Directory} directory
 * @param {number} start
 * @param {boolean} little
 */
function pack(result, directory, start, little) {
  const view = new DataView(result.buffer);
  view.setUint16(start, directory.size, little);
  let at = start + 2;
  let behind = at + 12 * directory.size + 4;
  for (const [tag, value] of [...directory].sort(([a], [b]) => a - b)) {
    view.setUint16(at, tag, little);
    view.setUint16(at + 2, value.type, little);
    view.setUint32(at + 4, value.many, little);
    if (value.data.length > 4) {
      view.setUint32(at + 8, behind, little);
      result.set(value.data, behind);
      behind += value.data.length + (value.data.length % 2);
    } else {
      result.set(value.data, at + 8);
    }
    at += 12;
  }
}
