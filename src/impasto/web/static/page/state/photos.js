// @ts-check
/** The photographs that were brought, and which of them is looked at. */

import { PaintError, sentence } from "../errors.js";
import { open } from "./opening.js";

/** @typedef {import("../types").Photo} Photo */

/**
 * A photograph with a small picture of it.
 *
 * @typedef {{photo: Photo, thumbnail: HTMLCanvasElement}} Entry
 */

/** Pictures for showing are kept of so many photographs; others are decoded again. */
const KEPT_BITMAPS = 3;

/** Fires `change` when photographs come or go, or another one is looked at. */
export class Photos extends EventTarget {
  /** @type {Entry[]} */
  #entries = [];
  /** @type {Entry | null} */
  #current = null;
  /** @type {Map<string, ImageBitmap>} In the order in which they were looked at. */
  #bitmaps = new Map();

  /** @returns {readonly Entry[]} */
  get entries() {
    return this.#entries;
  }

  /** @returns {Photo | null} */
  get current() {
    return this.#current?.photo ?? null;
  }

  /**
   * Take files as photographs, and look at the first of them. Files that cannot be read are left
   * out.
   *
   * @param {{file: Blob, name: string}[]} files
   * @throws {PaintError} after the others are in, if files were left out
   */
  async add(files) {
    /** @type {string[]} */
    const problems = [];
    let first = true;
    for (const { file, name } of files) {
      try {
        const { photo, bitmap, thumbnail } = await open(file, name);
        const entry = { photo, thumbnail: drawn(thumbnail) };
        this.#entries.push(entry);
        if (first) {
          first = false;
          this.#keep(photo.id, bitmap);
          this.#current = entry;
        } else {
          bitmap.close();
        }
        this.dispatchEvent(new Event("change"));
      } catch (error) {
        problems.push(sentence(error));
      }
    }
    if (problems.length === 1) throw new PaintError(problems[0]);
    if (problems.length > 1) {
      throw new PaintError(
        `${problems.length} of ${files.length} files were skipped; the first: ${problems[0]}`,
      );
    }
  }

  /** @param {string} id */
  select(id) {
    const entry = this.#entries.find(({ photo }) => photo.id === id);
    if (!entry || entry === this.#current) return;
    this.#current = entry;
    this.dispatchEvent(new Event("change"));
  }

  /**
   * Let go of a photograph; its neighbor is looked at instead.
   *
   * @param {string} id
   */
  remove(id) {
    const at = this.#entries.findIndex(({ photo }) => photo.id === id);
    if (at < 0) return;
    const [gone] = this.#entries.splice(at, 1);
    this.#bitmaps.get(id)?.close();
    this.#bitmaps.delete(id);
    if (this.#current === gone) {
      this.#current = this.#entries[Math.min(at, this.#entries.length - 1)] ?? null;
    }
    this.dispatchEvent(new Event("change"));
  }

  /**
   * A picture of a photograph for showing; it stays this list's own.
   *
   * @param {Photo} photo
   * @returns {Promise<ImageBitmap>}
   */
  async bitmap(photo) {
    const kept = this.#bitmaps.get(photo.id);
    if (kept) {
      this.#keep(photo.id, kept);
      return kept;
    }
    const { bitmap, thumbnail } = await open(photo.file, photo.name);
    thumbnail.close();
    this.#keep(photo.id, bitmap);
    return bitmap;
  }

  /**
   * @param {string} id
   * @param {ImageBitmap} bitmap
   */
  #keep(id, bitmap) {
    this.#bitmaps.delete(id);
    this.#bitmaps.set(id, bitmap);
    for (const [oldest, old] of this.#bitmaps) {
      if (this.#bitmaps.size <= KEPT_BITMAPS) break;
      if (oldest === this.current?.id) continue;
      this.#bitmaps.delete(oldest);
      old.close();
    }
  }
}

/** @param {ImageBitmap} bitmap which is closed */
function drawn(bitmap) {
  const canvas = document.createElement("canvas");
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  canvas.getContext("2d")?.drawImage(bitmap, 0, 0);
  bitmap.close();
  return canvas;
}
