// @ts-check
/** Style files: safetensors files with what a style is; byte for byte those of styles/files.py. */
import { PaintError } from "../errors.js";

/**
 * @typedef {import("../types").Moments} Moments
 * @typedef {import("../types").Style} Style
 */

/**
 * All that a style file holds.
 *
 * @typedef {object} StyleFields
 * @property {string} modelName name of the model that made it, for messages
 * @property {string} note origin of the picture
 * @property {Uint8Array | null} thumbnail the picture, small, as the bytes of a picture file
 * @property {string} [tuned] record of the tuning, as the text of the file; absent if not tuned
 * @typedef {Style & StyleFields} StyleFile
 */

/** Number of the format that is written here, and the only one that is read. */
const FORMAT = 1;

const KIND = "impasto-style";

/** Larger files are refused: moments and a thumbnail take a few kB. */
const MAX_BYTES = 1 << 22;

const REMAKE = "make it again with impasto style add, or add its picture";

/**
 * The bytes of the file of a style; the same style always gives the same bytes.
 *
 * @param {StyleFile} style
 * @returns {Uint8Array}
 */
export function styleBytes(style) {
  /** @type {[string, Float32Array][]} */
  const tensors = [];
  style.moments.forEach(({ mean, std }, i) => {
    tensors.push([`mean_${i}`, Float32Array.from(mean)], [`std_${i}`, Float32Array.from(std)]);
  });
  /** @type {Record<string, string>} */
  const metadata = {
    format: `${KIND} ${FORMAT}`,
    name: style.name,
    model: style.model,
    model_name: style.modelName,
    note: style.note,
    thumbnail: toBase64(style.thumbnail ?? new Uint8Array()),
  };
  if (style.tuned) metadata.tuned = style.tuned;
  const entries = Object.entries(metadata).map(([key, text]) => `${quoted(key)}: ${quoted(text)}`);
  let header = `{"__metadata__": {${entries.join(", ")}}`;
  let end = 0;
  for (const [name, values] of tensors) {
    const start = end;
    end += values.byteLength;
    header += `, "${name}": {"dtype": "F32", "shape": [${values.length}], `;
    header += `"data_offsets": [${start}, ${end}]}`;
  }
  header += "}";
  header += " ".repeat((8 - (header.length % 8)) % 8); // so that the tensors are aligned
  const data = new Uint8Array(8 + header.length + end);
  const view = new DataView(data.buffer);
  view.setBigUint64(0, BigInt(header.length), true);
  data.set(new TextEncoder().encode(header), 8);
  let place = 8 + header.length;
  for (const [, values] of tensors) {
    for (const value of values) {
      view.setFloat32(place, value, true);
      place += 4;
    }
  }
  return data;
}

/**
 * Decode a style from the bytes of its file.
 *
 * @param {Uint8Array} data
 * @param {string} name of the file, for messages
 * @returns {StyleFile}
 */
export function readStyle(data, name) {
  try {
    return decoded(data);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new PaintError(`${name} is not a style that can be used (${reason}): ${REMAKE}.`);
  }
}

/**
 * @param {Uint8Array} data
 * @returns {StyleFile}
 */
function decoded(data) {
  if (data.length > MAX_BYTES) throw new Error("it is too large for a style");
  const { header, body } = parted(data);
  const metadata = header.__metadata__ ?? {};
  const [kind, number] = String(metadata.format ?? "").split(" ");
  if (kind !== KIND) throw new Error("it is a safetensors file, but not a style");
  if (number !== String(FORMAT)) {
    throw new Error(`its format is ${number} and this page reads ${FORMAT}`);
  }
  for (const key of ["name", "model", "model_name", "note", "thumbnail"]) {
    if (typeof metadata[key] !== "string") throw new Error(`its metadata has no '${key}'`);
  }
  if (!/^[0-9a-f]{16}$/.test(metadata.model)) {
    throw new Error(`'${metadata.model.slice(0, 40)}' is not the identity of a model`);
  }
  const names = Object.keys(header).filter((key) => key !== "__metadata__");
  if (names.length === 1 && names[0] === "parameters") {
    throw new Error("it belongs to a model with built-in styles, which this page does not have");
  }
  const { tuned } = metadata;
  if (tuned !== undefined && typeof tuned !== "string") {
    throw new Error("its metadata has a 'tuned' that is not a string");
  }
  const thumbnail = fromBase64(metadata.thumbnail);
  return {
    name: metadata.name,
    model: metadata.model,
    moments: momentsOf(header, names, body),
    modelName: metadata.model_name,
    note: metadata.note,
    thumbnail: thumbnail.length > 0 ? thumbnail : null,
    ...(tuned ? { tuned } : {}),
  };
}

/**
 * The header of a safetensors file and what follows it.
 *
 * @param {Uint8Array} data
 * @returns {{header: Record<string, any>, body: DataView}}
 */
function parted(data) {
  const damaged = new Error("damaged, truncated or not a safetensors file");
  if (data.length < 8) throw damaged;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const size = Number(view.getBigUint64(0, true));
  if (size > data.length - 8) throw damaged;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(data.subarray(8, 8 + size));
    const header = JSON.parse(text);
    if (header === null || typeof header !== "object" || Array.isArray(header)) throw damaged;
    return { header, body: new DataView(data.buffer, data.byteOffset + 8 + size) };
  } catch {
    throw damaged;
  }
}

/**
 * @param {Record<string, any>} header
 * @param {string[]} names of the tensors
 * @param {DataView} body
 * @returns {Moments[]}
 */
function momentsOf(header, names, body) {
  const levels = Math.max(1, Math.floor(names.length / 2));
  /** @type {string[]} */
  const expected = [];
  for (let i = 0; i < levels; i++) expected.push(`mean_${i}`, `std_${i}`);
  const unknown = names.find((name) => !expected.includes(name));
  if (unknown !== undefined) throw new Error(`it has an unknown tensor '${unknown}'`);
  const values = expected.map((name) => tensor(header, name, body));
  const held = values.reduce((sum, each) => sum + 4 * each.length, 0);
  if (held !== body.byteLength) throw new Error("damaged, truncated or not a safetensors file");
  const found = [];
  for (let i = 0; i < levels; i++) {
    const [mean, std] = [values[2 * i], values[2 * i + 1]];
    if (mean.length !== std.length) {
      throw new Error(`level ${i}: ${mean.length} means and ${std.length} deviations`);
    }
    if (std.some((value) => value < 0)) {
      throw new Error(`tensor 'std_${i}' holds a negative deviation`);
    }
    found.push({ mean, std, count: null });
  }
  return found;
}

/**
 * @param {Record<string, any>} header
 * @param {string} name
 * @param {DataView} body
 * @returns {Float64Array}
 */
function tensor(header, name, body) {
  const row = header[name];
  if (row === undefined) throw new Error(`it has no tensor '${name}'`);
  const { dtype, shape, data_offsets: offsets } = row ?? {};
  if (dtype !== "F32" || !Array.isArray(shape) || shape.length !== 1 || !(shape[0] > 0)) {
    throw new Error(`tensor '${name}' must be float32 of shape (C,)`);
  }
  const [start, stop] = Array.isArray(offsets) ? offsets : [];
  if (!(start >= 0 && stop === start + 4 * shape[0] && stop <= body.byteLength)) {
    throw new Error("damaged, truncated or not a safetensors file");
  }
  const values = new Float64Array(shape[0]);
  for (let i = 0; i < values.length; i++) values[i] = body.getFloat32(start + 4 * i, true);
  if (!values.every(Number.isFinite)) throw new Error(`tensor '${name}' holds NaN or infinity`);
  return values;
}

/** @type {Record<string, string>} */
const ESCAPES = {
  '"': '\\"',
  "\\": "\\\\",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\b": "\\b",
  "\f": "\\f",
};

/**
 * A text as JSON in ASCII, as Python writes it; halves of characters become question marks.
 *
 * @param {string} text
 */
function quoted(text) {
  const whole = text.replace(
    /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g,
    "?",
  );
  const escaped = whole.replace(/["\\]|[^ -~]/g, (character) => {
    const code = character.charCodeAt(0).toString(16).padStart(4, "0");
    return ESCAPES[character] ?? `\\u${code}`;
  });
  return `"${escaped}"`;
}

/**
 * @param {Uint8Array} data
 * @returns {string}
 */
function toBase64(data) {
  let text = "";
  for (let i = 0; i < data.length; i += 8192) {
    text += String.fromCharCode(...data.subarray(i, i + 8192));
  }
  return btoa(text);
}

/**
 * The bytes that a text in base64 stands for.
 *
 * @param {string} text
 * @returns {Uint8Array}
 */
export function fromBase64(text) {
  let packed;
  try {
    packed = atob(text);
  } catch {
    throw new Error("its base64 is damaged");
  }
  return Uint8Array.from(packed, (character) => character.charCodeAt(0));
}
