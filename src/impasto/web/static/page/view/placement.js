// @ts-check
/** Where a picture lies in a view: all numbers in device pixels, so that 1 is 100 %. */

/** Largest zoom: a pixel of the picture is then a square of so many device pixels. */
const MOST = 32;

/** @typedef {{left: number, top: number, width: number, height: number}} Box */

export class Placement {
  constructor() {
    /** Pixels of the picture. */
    this.width = 0;
    this.height = 0;
    /** Device pixels for each of them. */
    this.scale = 1;
    /** @type {Box} The part of the view that a fitted picture fills. */
    this.room = { left: 0, top: 0, width: 0, height: 0 };
    /** Whether the picture follows the room when that changes. */
    this.fitted = true;
    this._x = 0;
    this._y = 0;
  }

  /** The scale at which the whole picture is seen. */
  get fitting() {
    const { width, height } = this.room;
    if (!this.width || !width || !height) return 1;
    return Math.min(width / this.width, height / this.height);
  }

  /** Whether some of the picture lies outside of the room. */
  get movable() {
    const { width, height } = this.room;
    return this.width * this.scale > width + 0.5 || this.height * this.scale > height + 0.5;
  }

  /**
   * Where the picture is drawn. Its corner lies on a whole device pixel, so that at 100 % every
   * pixel of the picture is one of the screen.
   *
   * @returns {Box}
   */
  get box() {
    return {
      left: Math.round(this._x),
      top: Math.round(this._y),
      width: Math.max(1, Math.round(this.width * this.scale)),
      height: Math.max(1, Math.round(this.height * this.scale)),
    };
  }

  /**
   * @param {number} width of the picture in pixels
   * @param {number} height
   */
  setPicture(width, height) {
    if (width === this.width && height === this.height) return;
    this.width = width;
    this.height = height;
    this.fit();
  }

  /**
   * Take another room; what was in the middle stays there.
   *
   * @param {Box} room
   */
  setRoom(room) {
    const before = middle(this.room);
    const x = (before.x - this._x) / this.scale;
    const y = (before.y - this._y) / this.scale;
    this.room = room;
    if (this.fitted) return this.fit();
    const now = middle(room);
    this.scale = this._within(this.scale);
    this._x = now.x - x * this.scale;
    this._y = now.y - y * this.scale;
    this._hold();
  }

  /** Show the whole picture. */
  fit() {
    this.fitted = true;
    this.scale = this.fitting;
    this._hold();
  }

  /**
   * Zoom with one place held.
   *
   * @param {number} scale
   * @param {number} [x] place that stays, in device pixels of the view; the middle of the room
   * @param {number} [y]
   */
  zoom(scale, x = middle(this.room).x, y = middle(this.room).y) {
    const wanted = this._within(scale);
    this._x = x - ((x - this._x) * wanted) / this.scale;
    this._y = y - ((y - this._y) * wanted) / this.scale;
    this.scale = wanted;
    this.fitted = Math.abs(wanted / this.fitting - 1) < 1e-6;
    this._hold();
  }

  /**
   * @param {number} dx in device pixels
   * @param {number} dy
   */
  pan(dx, dy) {
    this._x += dx;
    this._y += dy;
    this._hold();
  }

  /**
   * Pan and zoom at once: what is held at the edges is the result, and no step on the way to it.
   *
   * @param {number} dx in device pixels
   * @param {number} dy
   * @param {number} factor of the scale
   * @param {number} x place that stays, after panning
   * @param {number} y
   */
  pinch(dx, dy, factor, x, y) {
    this._x += dx;
    this._y += dy;
    this.zoom(this.scale * factor, x, y);
  }

  /** @param {number} scale */
  _within(scale) {
    const least = Math.min(this.fitting, 1);
    return Math.min(Math.max(scale, least), Math.max(MOST, this.fitting));
  }

  /** Keep the room filled where the picture is larger, and the picture in its middle where not. */
  _hold() {
    const { left, top, width, height } = this.room;
    this._x = held(this._x, this.width * this.scale, left, width);
    this._y = held(this._y, this.height * this.scale, top, height);
  }
}

/**
 * @param {number} at where the picture begins along one axis
 * @param {number} size of the picture
 * @param {number} start of the room
 * @param {number} length of the room
 */
function held(at, size, start, length) {
  if (size <= length) return start + (length - size) / 2;
  return Math.min(start, Math.max(start + length - size, at));
}

/** @param {Box} box */
function middle(box) {
  return { x: box.left + box.width / 2, y: box.top + box.height / 2 };
}
