// @ts-check
/**
 * Size of a canvas that has a pixel for each of the screen.
 *
 * Only the browser knows to which of them an element of a broken size is rounded; those that do not
 * tell, or tell it for another zoom (as when another device is emulated), have it computed.
 *
 * @param {ResizeObserverEntry} entry
 * @returns {{width: number, height: number, ratio: number}} ratio: device pixels for each of CSS
 */
export function deviceSize(entry) {
  const ratio = globalThis.devicePixelRatio || 1;
  const width = entry.contentRect.width * ratio;
  const height = entry.contentRect.height * ratio;
  const told = entry.devicePixelContentBoxSize?.[0];
  const near = (/** @type {number} */ a, /** @type {number} */ b) => Math.abs(a - b) < 1;
  if (told && near(told.inlineSize, width) && near(told.blockSize, height)) {
    return { width: told.inlineSize, height: told.blockSize, ratio };
  }
  return { width: Math.round(width), height: Math.round(height), ratio };
}
