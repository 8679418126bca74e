// @ts-check
/** Pointers, wheel and touchpad -> panning, zooming and dividing of a compare-view. */

/** Pixels that a finger or a mouse may move in a click. */
const STILL = 6;
/** Milliseconds and pixels between the clicks of a double click. */
const TWICE_MS = 350;
const TWICE_PX = 28;

/** Events of Safari for a pinch. */
const PINCHES = ["gesturestart", "gesturechange", "gestureend"];

/**
 * What is moved.
 *
 * @typedef {object} Moved
 * @property {boolean} movable whether there is more of the picture than is seen
 * @property {number} dividerX where the divider is, in client pixels
 * @property {(dx: number, dy: number) => void} panBy
 * @property {(factor: number, x: number, y: number) => void} zoomBy
 * @property {(dx: number, dy: number, factor: number, x: number, y: number) => void} pinchBy
 * @property {(x: number, y: number) => void} zoomInOrOut
 * @property {(x: number) => void} divideAt
 */

export class Gestures {
  /** @param {Moved} view */
  constructor(view) {
    this._view = view;
    /** @type {Map<number, {x: number, y: number}>} */
    this._pointers = new Map();
    /** @type {"pan" | "divide"} */
    this._mode = "pan";
    /** From the pointer to the divider. */
    this._grip = 0;
    this._start = { x: 0, y: 0 };
    this._still = true;
    this._click = { x: 0, y: 0, time: -Infinity };
    /** Scale of a pinch on a touchpad so far. */
    this._pinched = 1;
  }

  /** How many pointers are down. */
  get count() {
    return this._pointers.size;
  }

  /**
   * @param {PointerEvent} event any event of a pointer that is down now
   * @param {boolean} divides whether it is on the divider
   */
  down(event, divides = false) {
    this._pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (this.count > 1) {
      this._mode = "pan";
      this._still = false;
      return;
    }
    this._start = { x: event.clientX, y: event.clientY };
    this._still = true;
    // Where there is nothing to pan, the whole picture is a handle.
    this._mode = divides || !this._view.movable ? "divide" : "pan";
    this._grip = this._view.dividerX - event.clientX;
    if (event.button === 1) this._mode = "pan";
  }

  /** @param {PointerEvent} event */
  move(event) {
    const before = this._pointers.get(event.pointerId);
    if (!before) return;
    const now = { x: event.clientX, y: event.clientY };
    if (this._still && distance(now, this._start) < STILL) return;
    if (this._still) {
      this._still = false;
      // What was moved within a click counts, so that the divider stays under the pointer.
      Object.assign(before, this._start);
    }
    if (this.count === 1 && this._mode === "divide") {
      this._view.divideAt(now.x + this._grip);
      this._pointers.set(event.pointerId, now);
      return;
    }
    const old = this._spread();
    this._pointers.set(event.pointerId, now);
    const fresh = this._spread();
    const pinched = old.radius > 1 && fresh.radius > 1;
    const [dx, dy] = [fresh.x - old.x, fresh.y - old.y];
    if (pinched) this._view.pinchBy(dx, dy, fresh.radius / old.radius, fresh.x, fresh.y);
    else this._view.panBy(dx, dy);
  }

  /** @param {PointerEvent} event */
  up(event) {
    if (!this._pointers.delete(event.pointerId)) return;
    if (this.count > 0) {
      this._mode = "pan"; // the finger that is left goes on, and does not take the divider along
      return;
    }
    if (event.type !== "pointerup" || !this._still || event.button === 1) return;
    const click = { x: event.clientX, y: event.clientY, time: event.timeStamp };
    const last = this._click;
    const twice = click.time - last.time < TWICE_MS && distance(click, last) < TWICE_PX;
    this._click = twice ? { ...click, time: -Infinity } : click;
    if (twice) this._view.zoomInOrOut(click.x, click.y);
  }

  /**
   * Zoom by the wheel and the touchpad over an element.
   *
   * @param {HTMLElement} element
   * @returns {() => void} ends that
   */
  listenToTouchpad(element) {
    const wheel = (/** @type {WheelEvent} */ event) => this._wheel(event);
    const pinch = (/** @type {Event} */ event) => this._pinch(event);
    element.addEventListener("wheel", wheel, { passive: false });
    for (const kind of PINCHES) element.addEventListener(kind, pinch);
    return () => {
      element.removeEventListener("wheel", wheel);
      for (const kind of PINCHES) element.removeEventListener(kind, pinch);
    };
  }

  /**
   * A pinch on a touchpad, as Safari tells of it, which also tells of fingers on a screen so.
   *
   * @param {Event} event
   */
  _pinch(event) {
    event.preventDefault(); // zooms the page
    const pinch = /** @type {Event & {scale: number, clientX: number, clientY: number}} */ (event);
    const before = event.type === "gesturestart" ? pinch.scale : this._pinched;
    this._pinched = pinch.scale;
    if (this.count || !(before > 0)) return;
    this._view.zoomBy(pinch.scale / before, pinch.clientX, pinch.clientY);
  }

  /** @param {WheelEvent} event */
  _wheel(event) {
    event.preventDefault();
    // Lines and pages are some mice's way to count. A pinch on a touchpad comes with Ctrl.
    const unit = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1;
    const turned = Math.max(-240, Math.min(240, event.deltaY * unit));
    const factor = Math.exp(-turned * (event.ctrlKey ? 0.01 : 0.002));
    this._view.zoomBy(factor, event.clientX, event.clientY);
  }

  /** The middle of all pointers, and how far they are from it in the mean. */
  _spread() {
    let x = 0;
    let y = 0;
    for (const pointer of this._pointers.values()) {
      x += pointer.x / this.count;
      y += pointer.y / this.count;
    }
    let radius = 0;
    for (const pointer of this._pointers.values()) {
      radius += distance(pointer, { x, y }) / this.count;
    }
    return { x, y, radius };
  }
}

/**
 * @param {{x: number, y: number}} a
 * @param {{x: number, y: number}} b
 */
function distance(a, b) {
  return Math.hypot(a.x - b.x, a.y - b.y);
}
