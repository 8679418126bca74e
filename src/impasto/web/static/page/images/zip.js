// @ts-check
/** Several results in one file: a ZIP archive whose files lie in it as they are (APPNOTE 6.3). */

import { PaintError } from "../errors.js";
import { crc32 } from "./containers.js";

const MOST_BYTES = 0xffffffff;
const MOST_FILES = 0xffff;
const UTF8_NAMES = 0x0800;

/**
 * An archive of files.
 *
 * @param {{name: string, blob: Blob}[]} files names that occur twice get a number
 * @returns {Promise<Blob>}
 * @throws {PaintError} if it would be larger than 4 GB, or hold more than 65,535 files
 */
export async function zip(files) {
  const bytes = files.reduce((sum, { name, blob }) => sum + blob.size + 6 * name.length + 120, 22);
  if (bytes > MOST_BYTES || files.length > MOST_FILES) {
    throw new PaintError(
      `${files.length} pictures of ${(bytes / 1e9).toFixed(1)} GB do not fit in one ZIP file ` +
        "(4 GB): save them in several parts.",
    );
  }
  const { date, time } = dosTime(new Date());
  const names = uniqueNames(files.map(({ name }) => name));
  /** @type {BlobPart[]} */
  const parts = [];
  /** @type {Uint8Array<ArrayBuffer>[]} */
  const entries = [];
  let at = 0;
  for (const [index, { blob }] of files.entries()) {
    const name = new TextEncoder().encode(names[index]);
    // What both headers say of a file: version, flags, method, time, checksum, sizes, names.
    const facts = new Uint8Array(26);
    const view = new DataView(facts.buffer);
    view.setUint16(0, 20, true);
    view.setUint16(2, UTF8_NAMES, true);
    view.setUint16(6, time, true);
    view.setUint16(8, date, true);
    view.setUint32(10, await checksum(blob), true);
    view.setUint32(14, blob.size, true);
    view.setUint32(18, blob.size, true);
    view.setUint16(22, name.length, true);
    parts.push(signature(0x04034b50), facts, name, blob);
    const entry = new Uint8Array(46 + name.length);
    const place = new DataView(entry.buffer);
    entry.set(signature(0x02014b50));
    place.setUint16(4, 20, true); // of the writer: names and rights as DOS has them
    entry.set(facts, 6);
    place.setUint32(42, at, true);
    entry.set(name, 46);
    entries.push(entry);
    at += 30 + name.length + blob.size;
  }
  const end = new Uint8Array(22);
  const view = new DataView(end.buffer);
  end.set(signature(0x06054b50));
  view.setUint16(8, entries.length, true);
  view.setUint16(10, entries.length, true);
  view.setUint32(12, entries.reduce((sum, entry) => sum + entry.length, 0), true);
  view.setUint32(16, at, true);
  return new Blob([...parts, ...entries, end], { type: "application/zip" });
}

/** @param {number} number */
function signature(number) {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, number, true);
  return bytes;
}

/** @param {Blob} blob */
async function checksum(blob) {
  const reader = blob.stream().getReader();
  let crc = 0;
  for (let got = await reader.read(); !got.done; got = await reader.read()) {
    crc = crc32(got.value, crc);
  }
  return crc;
}

/**
 * Names that no system takes for a folder or for each other.
 *
 * @param {string[]} names
 */
function uniqueNames(names) {
  const taken = new Set();
  return names.map((name) => {
    const plain = name.replace(/[\\/:*?"<>|\x00-\x1f]/g, "_").replace(/^\.+$/, "_") || "picture";
    const dot = plain.lastIndexOf(".");
    const [stem, suffix] = dot > 0 ? [plain.slice(0, dot), plain.slice(dot)] : [plain, ""];
    let unique = plain;
    for (let number = 2; taken.has(unique.normalize().toLowerCase()); number++) {
      unique = `${stem}-${number}${suffix}`;
    }
    taken.add(unique.normalize().toLowerCase());
    return unique;
  });
}

/** @param {Date} now */
function dosTime(now) {
  const date = ((now.getFullYear() - 1980) << 9) | ((now.getMonth() + 1) << 5) | now.getDate();
  const time = (now.getHours() << 11) | (now.getMinutes() << 5) | (now.getSeconds() >> 1);
  return { date, time };
}
