// @ts-check
import { PaintError } from "../errors.js";

/** @typedef {import("../types").Photo} Photo */

/**
 * A photograph, a picture of it to be shown, and a small square one.
 *
 * @typedef {{photo: Photo, bitmap: ImageBitmap, thumbnail: ImageBitmap}} Opened
 */

/** @type {Worker | null} */
let worker = null;
/** @type {Map<number, {done: (opened: Opened) => void, fail: (error: Error) => void}>} */
const waiting = new Map();
let last = 0;

/**
 * Open a file as a photograph, in a worker.
 *
 * @param {Blob} file
 * @param {string} name
 * @returns {Promise<Opened>}
 * @throws {PaintError} with a sentence for what this browser cannot read
 */
export function open(file, name) {
  worker ??= started();
  const id = (last += 1);
  return new Promise((done, fail) => {
    waiting.set(id, { done, fail });
    worker?.postMessage({ id, file, name });
  });
}

function started() {
  const found = new Worker(new URL("opening_worker.js", import.meta.url), { type: "module" });
  found.onmessage = ({ data: { id, value, problem } }) => {
    const asked = waiting.get(id);
    waiting.delete(id);
    if (value) asked?.done(value);
    else asked?.fail(new PaintError(problem));
  };
  found.onerror = () => {
    worker = null;
    for (const { fail } of waiting.values()) {
      fail(new PaintError("Photographs cannot be opened: reload the page."));
    }
    waiting.clear();
  };
  return found;
}
