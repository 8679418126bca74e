// @ts-check
/**
 * One stroke of a brush on a mask. What counts at a place is how near the stroke came to it, so a
 * soft edge stays as soft however often the stroke passes, and nothing builds up.
 */

/** @typedef {import("./mask_layer.js").MaskLayer} MaskLayer */
/** @typedef {{x: number, y: number}} Point */

export class Stroke {
  /**
   * @param {MaskLayer} layer
   * @param {{width: number, height: number}} picture whose pixels points and size are in
   * @param {{size: number, softness: number, erase: boolean}} brush diameter; share of it that is
   *   soft, in [0, 1]
   */
  constructor(layer, picture, { size, softness, erase }) {
    this.layer = layer;
    /** The mask without the stroke. */
    this.before = layer.copy();
    this._goal = erase ? 0 : 255;
    /** Pixels of the picture for each of the layer. */
    this._across = picture.width / layer.width;
    this._down = picture.height / layer.height;
    const pixel = Math.max(this._across, this._down);
    const radius = Math.max(size / 2, pixel / 2);
    // The edge of the hardest brush is as wide as a pixel of the layer, so it has no steps.
    this._outer = radius + pixel / 2;
    this._inner = Math.max(0, Math.min(radius * (1 - softness), radius - pixel / 2));
    /** Points that are nearer beside a large brush are not worth the work of a piece. */
    this._spacing = radius / 32;
    /** How far straight pieces may lie beside the curve, and how long they are at most. */
    this._tolerance = Math.max(pixel / 4, radius / 64);
    this._longest = 8 * radius;
    /** For every place of the layer the square of its distance from the stroke. */
    this._nearest = new Float32Array(layer.width * layer.height).fill(Infinity);
    /** @type {Point | null} The last point of the pointer that counted. */
    this._last = null;
    /** @type {Point | null} The one after it, if that was too near. */
    this._passed = null;
    /** @type {Point} Where the curve has come to. */
    this._at = { x: 0, y: 0 };
    /** @type {Point[]} What is to be painted still. */
    this._path = [];
  }

  /**
   * Lead the stroke on, along a curve through the middles between the points.
   *
   * @param {Point} point in pixels of the picture
   */
  to(point) {
    if (this._last === null) {
      this._at = point;
      this._path.push(point);
    } else if (distance(this._last, point) < this._spacing) {
      this._passed = point;
      return;
    } else {
      const corner = this._last;
      const middle = { x: (corner.x + point.x) / 2, y: (corner.y + point.y) / 2 };
      // A curve would cut off where the pointer turned back.
      const back = isSharp(this._at, corner, middle);
      if (back) this._line(corner);
      this._curve(back ? middle : corner, middle);
    }
    this._last = point;
    this._passed = null;
  }

  /** Paint what was led so far. */
  paint() {
    if (this._path.length === 0) return;
    const points = this._path;
    const changed = { left: Infinity, top: Infinity, right: 0, bottom: 0 };
    if (points.length === 1) this._piece(points[0], points[0], changed);
    for (let i = 1; i < points.length; i++) this._piece(points[i - 1], points[i], changed);
    // The next piece begins where this one ended; of a pointer that rests nothing is left to do.
    this._path = [];
    if (changed.right > changed.left) this.layer.changed(changed);
  }

  /** Paint it to its end. */
  end() {
    const last = this._passed ?? this._last;
    if (last) this._line(last);
    this.paint();
  }

  /** Take it back. */
  cancel() {
    this._path = [];
    this.layer.values.set(this.before.values);
    this.layer.changed();
  }

  /**
   * @param {Point} control
   * @param {Point} end
   */
  _curve(control, end) {
    const start = this._at;
    const length = distance(start, control) + distance(control, end);
    const bend = Math.hypot(start.x - 2 * control.x + end.x, start.y - 2 * control.y + end.y) / 4;
    const pieces = Math.ceil(
      Math.max(1, Math.sqrt(bend / this._tolerance), length / this._longest),
    );
    if (this._path.length === 0) this._path.push(start);
    for (let i = 1; i <= pieces; i++) {
      const t = i / pieces;
      const [a, b, c] = [(1 - t) * (1 - t), 2 * t * (1 - t), t * t];
      const x = a * start.x + b * control.x + c * end.x;
      this._path.push({ x, y: a * start.y + b * control.y + c * end.y });
    }
    this._at = end;
  }

  /** @param {Point} end */
  _line(end) {
    const start = this._at;
    this._curve({ x: (start.x + end.x) / 2, y: (start.y + end.y) / 2 }, end);
  }

  /**
   * All places near a straight piece.
   *
   * @param {Point} a
   * @param {Point} b
   * @param {{left: number, top: number, right: number, bottom: number}} changed grows
   */
  _piece(a, b, changed) {
    const { width, height, values } = this.layer;
    const { _across: across, _down: down, _outer: outer, _nearest: nearest, _goal: goal } = this;
    const from = this.before.values;
    const left = Math.max(0, Math.floor((Math.min(a.x, b.x) - outer) / across));
    const right = Math.min(width, Math.ceil((Math.max(a.x, b.x) + outer) / across));
    const top = Math.max(0, Math.floor((Math.min(a.y, b.y) - outer) / down));
    const bottom = Math.min(height, Math.ceil((Math.max(a.y, b.y) + outer) / down));
    if (right <= left || bottom <= top) return;
    const [dx, dy] = [b.x - a.x, b.y - a.y];
    const square = dx * dx + dy * dy;
    const [most, least] = [outer * outer, this._inner * this._inner];
    const steepness = 1 / (outer - this._inner);
    for (let row = top; row < bottom; row++) {
      const y = (row + 0.5) * down - a.y;
      for (let column = left, i = row * width + left; column < right; column++, i++) {
        const before = nearest[i];
        if (before <= least) continue; // covered wholly
        const x = (column + 0.5) * across - a.x;
        let along = square > 0 ? (x * dx + y * dy) / square : 0;
        if (along < 0) along = 0;
        else if (along > 1) along = 1;
        const u = x - along * dx;
        const v = y - along * dy;
        const near = u * u + v * v;
        if (near >= most || near >= before) continue;
        nearest[i] = near;
        const share = (outer - Math.sqrt(near)) * steepness;
        const coverage = share >= 1 ? 1 : share * share * (3 - 2 * share);
        values[i] = from[i] + (goal - from[i]) * coverage;
      }
    }
    changed.left = Math.min(changed.left, left);
    changed.top = Math.min(changed.top, top);
    changed.right = Math.max(changed.right, right);
    changed.bottom = Math.max(changed.bottom, bottom);
  }
}

/**
 * Whether a way turns by more than a right angle.
 *
 * @param {Point} from
 * @param {Point} corner
 * @param {Point} to
 */
function isSharp(from, corner, to) {
  const [ax, ay] = [corner.x - from.x, corner.y - from.y];
  return ax * (to.x - corner.x) + ay * (to.y - corner.y) < 0;
}

/**
 * @param {Point} a
 * @param {Point} b
 */
function distance(a, b) {
  return Math.hypot(b.x - a.x, b.y - a.y);
}
