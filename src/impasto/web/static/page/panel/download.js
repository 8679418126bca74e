// @ts-check
import { make } from "./dom.js";

/** Time after which a download has begun for certain. */
const BEGUN_MS = 60_000;

/**
 * Give the user a file.
 *
 * @param {Blob} file
 * @param {string} name
 */
export function offer(file, name) {
  const address = URL.createObjectURL(file);
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), BEGUN_MS);
}
