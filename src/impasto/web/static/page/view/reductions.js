// @ts-check
/**
 * Halves, quarters ... of a large bitmap, so that a reduced picture is neither aliased nor costly
 * to draw. They are made strip by strip between other work: a photograph at once takes too long.
 */

/** Pixels that are read at a time: some milliseconds without a graphics processor. */
const STRIP = 1 << 20;

/** A copy of fewer pixels along its longer side is not worth making. */
const LEAST = 256;

export class Reductions {
  /**
   * @param {ImageBitmap} bitmap
   * @param {() => void} ready called whenever one more is there
   */
  constructor(bitmap, ready) {
    this._bitmap = bitmap;
    this._ready = ready;
    /** @type {ImageBitmap[]} the k-th has 1 / 2^(k+1) of the size, rounded up */
    this._made = [];
    this._begun = false;
    this._closed = false;
  }

  /**
   * The smallest copy that is no smaller than what is drawn, as far as they are made.
   *
   * @param {number} reduction pixels of the bitmap for each that is drawn
   * @returns {{image: ImageBitmap, factor: number}} and how often its size goes into the bitmap's
   */
  at(reduction) {
    const wanted = Math.floor(Math.log2(Math.max(reduction, 1)) + 1e-6);
    if (wanted > 0 && !this._begun) void this._make();
    const level = Math.min(wanted, this._made.length);
    return { image: level ? this._made[level - 1] : this._bitmap, factor: 2 ** level };
  }

  /** Let go of the copies; the bitmap is not ours. */
  close() {
    this._closed = true;
    for (const each of this._made) each.close();
    this._made = [];
  }

  async _make() {
    this._begun = true;
    let source = this._bitmap;
    while (Math.max(source.width, source.height) / 2 >= LEAST) {
      const half = await this._half(source);
      if (!half) return;
      this._made.push(half);
      this._ready();
      source = half;
    }
  }

  /** @param {ImageBitmap} source */
  async _half(source) {
    const { width, height } = source;
    const canvas = new OffscreenCanvas(Math.ceil(width / 2), Math.ceil(height / 2));
    const context = canvas.getContext("2d", { willReadFrequently: true });
    if (!context) return null;
    context.imageSmoothingQuality = "low"; // at one half that is the mean of four pixels
    const rows = Math.max(1, Math.floor(STRIP / 2 / width));
    const pairs = Math.floor(width / 2);
    for (let top = 0; top < canvas.height; top += rows) {
      await new Promise((resume) => setTimeout(resume));
      if (this._closed || source.width === 0) return null; // closed by its owner
      const bottom = Math.min(2 * (top + rows), height);
      const draw = (/** @type {number[]} */ [x, wide], /** @type {number[]} */ [to, count]) => {
        const high = Math.floor((bottom - 2 * top) / 2);
        context.drawImage(source, x, 2 * top, wide, 2 * high, to, top, count, high);
        if (bottom % 2) context.drawImage(source, x, bottom - 1, wide, 1, to, top + high, count, 1);
      };
      draw([0, 2 * pairs], [0, pairs]);
      // The last row and the last column of an odd size are paired with themselves.
      if (width % 2) draw([width - 1, 1], [pairs, 1]);
      context.getImageData(0, top, 1, 1); // draws now: else all strips are drawn at the end
    }
    if (this._closed) return null;
    return canvas.transferToImageBitmap();
  }
}
