// @ts-check
/** When what is painted: a small preview at once, the whole picture after, results kept. */

import { cancelled } from "../errors.js";

/** @typedef {import("../types").Look} Look */
/** @typedef {import("../types").Painter} Painter */
/** @typedef {import("../types").Photo} Photo */

/** Shorter side of a preview, in pixels. */
const PREVIEW = 384;
/** A picture so little larger than a preview is painted whole at once. */
const NEARLY_PREVIEW = 1.25;
/** The whole picture is painted when nothing was changed for this time. */
const REST_MS = 400;
/** Bytes of results that are kept, for undo and for other photographs. */
const KEPT_BYTES = 160e6;

/**
 * What is wanted.
 *
 * @typedef {object} Wish
 * @property {Photo} photo
 * @property {() => Look} look made only if it is painted
 * @property {string} key the same only where the result is the same
 * @property {number | null} size shorter side of the result; null: the photograph's
 */

/**
 * A result.
 *
 * @typedef {object} Shown
 * @property {Photo} photo
 * @property {ImageBitmap} bitmap
 * @property {boolean} whole false: a preview
 */

/**
 * Fires `wanted` when another picture is, `painted` (detail: Shown), `progress` (detail: the share
 * of the whole picture, or null at its end), and `problem` (detail: the error).
 */
export class Paintings extends EventTarget {
  /** @type {Painter} */
  #painter;
  /** @type {Wish | null} The newest. */
  #wish = null;
  /** @type {AbortController | null} */
  #preview = null;
  /** @type {AbortController | null} */
  #whole = null;
  #rest = 0;
  /** @type {Map<string, ImageBitmap>} In the order of their last use. */
  #kept = new Map();
  /** @type {ImageBitmap | null} Not closed while it is looked at. */
  #shown = null;

  /** @param {Painter} painter */
  constructor(painter) {
    super();
    this.#painter = painter;
  }

  /**
   * Paint what is wanted now, in place of all that was.
   *
   * @param {Wish} wish
   * @param {{transient: boolean}} options transient: a control is being turned. The preview that
   *   is in flight is then shown too, else a slow machine would show nothing before the end.
   */
  paint(wish, { transient }) {
    this.#wish = wish;
    this.#tell("wanted", null);
    this.#stopWhole();
    if (!transient) this.#preview?.abort();
    if (this.#showKept(wish, "whole")) {
      this.#preview?.abort();
      return;
    }
    const small = this.#isSmall(wish);
    const ready = !small && this.#showKept(wish, "preview");
    if (small && !transient) {
      void this.#paintWhole(wish);
      return;
    }
    this.#rest = window.setTimeout(() => void this.#paintWhole(wish), REST_MS);
    if (!ready && (this.#preview === null || this.#preview.signal.aborted)) {
      void this.#paintPreview(wish);
    }
  }

  /** Paint the whole picture after all, which was cancelled. */
  resume() {
    if (this.#wish) void this.#paintWhole(this.#wish);
  }

  /** Whether the whole picture is painted soon, when the controls rest. */
  get rests() {
    return this.#rest !== 0;
  }

  /** Stop painting the whole picture; the preview stays. */
  cancel() {
    this.#stopWhole();
    this.#tell("progress", null);
  }

  /** Want nothing any more. */
  clear() {
    this.#wish = null;
    this.#preview?.abort();
    this.#stopWhole();
    this.#shown = null;
  }

  /**
   * Let go of all results of a photograph.
   *
   * @param {Photo} photo
   */
  forget(photo) {
    if (this.#wish?.photo.id === photo.id) this.clear();
    for (const [name, bitmap] of this.#kept) {
      if (!name.startsWith(`${photo.id}\n`)) continue;
      this.#kept.delete(name);
      bitmap.close();
    }
    this.#painter.forget(photo);
  }

  /** @param {Wish} wish */
  async #paintPreview(wish) {
    const stop = new AbortController();
    this.#preview = stop;
    const small = this.#isSmall(wish);
    const size = small ? wish.size : PREVIEW;
    let bitmap = null;
    try {
      const options = { size, preview: !small, signal: stop.signal };
      ({ bitmap } = await this.#painter.paint(wish.photo, wish.look(), options));
    } catch (error) {
      if (!cancelled(error) && this.#wish && isSame(this.#wish, wish)) this.#tell("problem", error);
    }
    if (this.#preview === stop) this.#preview = null;
    const now = this.#wish;
    if (bitmap) {
      const overtaken = now === null || this.#kept.has(nameOf(now, "whole"));
      const newest = now !== null && isSame(now, wish);
      this.#keep(wish, small ? "whole" : "preview", bitmap);
      if (small && newest) this.#stopWhole();
      if (!overtaken && !stop.signal.aborted && now.photo.id === wish.photo.id) {
        this.#show({ photo: wish.photo, bitmap, whole: small && newest });
      }
    }
    // What was wanted in the meantime: only the newest.
    if (now && !isSame(now, wish) && this.#preview === null && this.#whole === null) {
      const ready = (["preview", "whole"]).some((kind) => this.#kept.has(nameOf(now, kind)));
      if (!ready) void this.#paintPreview(now);
    }
  }

  /** @param {Wish} wish */
  async #paintWhole(wish) {
    this.#stopWhole();
    const stop = new AbortController();
    this.#whole = stop;
    const watch = (/** @type {number} */ share) => {
      if (this.#whole === stop) this.#tell("progress", share);
    };
    this.#tell("progress", 0);
    try {
      const options = { size: wish.size, signal: stop.signal, watch };
      const { bitmap } = await this.#painter.paint(wish.photo, wish.look(), options);
      this.#keep(wish, "whole", bitmap);
      if (this.#whole === stop) {
        this.#preview?.abort();
        this.#show({ photo: wish.photo, bitmap, whole: true });
      }
    } catch (error) {
      if (!cancelled(error) && this.#whole === stop) this.#tell("problem", error);
    } finally {
      if (this.#whole === stop) {
        this.#whole = null;
        this.#tell("progress", null);
      }
    }
  }

  #stopWhole() {
    clearTimeout(this.#rest);
    this.#rest = 0;
    if (this.#whole === null) return;
    this.#whole.abort();
    this.#whole = null;
    this.#tell("progress", null);
  }

  /** @param {Wish} wish */
  #isSmall({ photo, size }) {
    return Math.min(photo.width, photo.height, size ?? Infinity) <= PREVIEW * NEARLY_PREVIEW;
  }

  /**
   * @param {Wish} wish
   * @param {"preview" | "whole"} kind
   */
  #showKept(wish, kind) {
    const name = nameOf(wish, kind);
    const bitmap = this.#kept.get(name);
    if (!bitmap) return false;
    this.#kept.delete(name);
    this.#kept.set(name, bitmap);
    this.#show({ photo: wish.photo, bitmap, whole: kind === "whole" });
    return true;
  }

  /** @param {Shown} shown */
  #show(shown) {
    this.#shown = shown.bitmap;
    this.#tell("painted", shown);
  }

  /**
   * @param {Wish} wish
   * @param {"preview" | "whole"} kind
   * @param {ImageBitmap} bitmap
   */
  #keep(wish, kind, bitmap) {
    const name = nameOf(wish, kind);
    const before = this.#kept.get(name);
    if (before !== this.#shown) before?.close();
    this.#kept.delete(name);
    this.#kept.set(name, bitmap);
    let bytes = 0;
    for (const each of this.#kept.values()) bytes += each.width * each.height * 4;
    for (const [oldest, old] of this.#kept) {
      if (bytes <= KEPT_BYTES) break;
      if (old === bitmap || old === this.#shown) continue;
      bytes -= old.width * old.height * 4;
      this.#kept.delete(oldest);
      old.close();
    }
  }

  /**
   * @param {string} name
   * @param {unknown} detail
   */
  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/**
 * @param {Wish} one
 * @param {Wish} other
 */
function isSame(one, other) {
  return nameOf(one, "whole") === nameOf(other, "whole");
}

/**
 * @param {Wish} wish
 * @param {string} kind "whole" or "preview"
 */
function nameOf({ photo, key, size }, kind) {
  return `${photo.id}\n${kind === "whole" ? `${size}` : "preview"}\n${key}`;
}
