// @ts-check
/**
 * A mask that is painted on: 255 where a style goes, 0 where it does not, of at most 1024 pixels a
 * side. `change` is dispatched whenever its values are others.
 */

import { PaintError } from "../errors.js";
import { grayPng } from "./gray_png.js";
import { maskSize } from "./mask_file.js";

/** @typedef {import("../types").Plane} Plane */

export class MaskLayer extends EventTarget {
  /**
   * @param {number} width of the picture that it is for; a large one has a smaller mask
   * @param {number} height
   * @param {number} [value] in [0, 1]
   */
  constructor(width, height, value = 0) {
    super();
    const size = maskSize({ width, height });
    this.width = size.width;
    this.height = size.height;
    /** Row by row. Whoever writes here says so by `changed`. */
    this.values = new Uint8ClampedArray(this.width * this.height).fill(value * 255);
    /** @type {OffscreenCanvas | null} */
    this._canvas = null;
    /** What the canvas does not show yet. */
    this._stale = { left: 0, top: 0, right: this.width, bottom: this.height };
  }

  /**
   * A mask from a file, as `--mask` of the command line understands it.
   *
   * @param {Blob} file
   * @param {{width: number, height: number} | null} [picture] that it is stretched to, so that it
   *   can be painted on as finely; null: it keeps its own size
   * @returns {Promise<MaskLayer>}
   * @throws {PaintError} if it is a picture in color without transparency, or none
   */
  static async fromFile(file, picture = null) {
    const worker = new Worker(new URL("./mask_worker.js", import.meta.url), { type: "module" });
    try {
      const { mask, problem } = await new Promise((resolve, reject) => {
        worker.onmessage = ({ data }) => resolve(data);
        worker.onerror = () => reject(new PaintError("The mask cannot be read: reload the page."));
        const size = picture && { width: picture.width, height: picture.height };
        worker.postMessage({ file, picture: size });
      });
      if (problem) throw new PaintError(problem);
      const layer = new MaskLayer(mask.width, mask.height);
      layer.values = mask.values;
      return layer;
    } finally {
      worker.terminate();
    }
  }

  /** Whether it is 1 everywhere. */
  get isFull() {
    return this._isAll(255);
  }

  /** Whether it is 0 everywhere: nothing can be painted with it. */
  get isEmpty() {
    return this._isAll(0);
  }

  /** Transparent where it is 0, opaque where it is 1; not to be drawn on. */
  get canvas() {
    const canvas = (this._canvas ??= new OffscreenCanvas(this.width, this.height));
    const { left, top, right, bottom } = this._stale;
    if (right > left && bottom > top) {
      const part = new ImageData(right - left, bottom - top);
      for (let y = top, to = 3; y < bottom; y++) {
        const row = y * this.width;
        for (let x = left; x < right; x++, to += 4) part.data[to] = this.values[row + x];
      }
      canvas.getContext("2d")?.putImageData(part, left, top);
      this._stale = { left: this.width, top: this.height, right: 0, bottom: 0 };
    }
    return canvas;
  }

  /**
   * Tell that values are others.
   *
   * @param {{left: number, top: number, right: number, bottom: number}} [part] where, half-open
   */
  changed(part = { left: 0, top: 0, right: this.width, bottom: this.height }) {
    const stale = this._stale;
    this._stale = {
      left: Math.min(stale.left, part.left),
      top: Math.min(stale.top, part.top),
      right: Math.max(stale.right, part.right),
      bottom: Math.max(stale.bottom, part.bottom),
    };
    this.dispatchEvent(new Event("change"));
  }

  /** @param {number} value in [0, 1], for all of it */
  fill(value) {
    this.values.fill(value * 255);
    this.changed();
  }

  invert() {
    for (let i = 0; i < this.values.length; i++) this.values[i] = 255 - this.values[i];
    this.changed();
  }

  /** @returns {MaskLayer} */
  copy() {
    const copy = new MaskLayer(this.width, this.height);
    copy.values.set(this.values);
    return copy;
  }

  /**
   * The mask as painters take it.
   *
   * @returns {Plane}
   */
  toPlane() {
    const data = new Float32Array(this.values.length);
    for (let i = 0; i < data.length; i++) data[i] = this.values[i] / 255;
    return { width: this.width, height: this.height, data };
  }

  /** A gray PNG, which `--mask` of the command line reads to the same numbers. */
  toFile() {
    return grayPng(this.width, this.height, this.values);
  }

  /** @param {number} value */
  _isAll(value) {
    for (let i = 0; i < this.values.length; i++) if (this.values[i] !== value) return false;
    return true;
  }
}
