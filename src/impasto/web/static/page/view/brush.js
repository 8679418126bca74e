// @ts-check
/**
 * <mask-brush>: paints a MaskLayer over a compare-view. One finger, the pen or the mouse paints;
 * two fingers, the wheel, the middle button, or Space with the mouse move the view.
 *
 * Events: `maskchange` (detail: {before: MaskLayer}) at the end of a stroke; `brushchange` when
 * a key turned its size or the eraser.
 */

import { deviceSize } from "./device_size.js";
import { Stroke } from "./stroke.js";

/** @typedef {import("./compare.js").CompareView} CompareView */
/** @typedef {import("./mask_layer.js").MaskLayer} MaskLayer */

/** A second finger within these is the begin of a pinch, and no stroke was meant. */
const PINCH_MS = 400;
const PINCH_PX = 24;
/** Steps of keys: of the size, and of the place in shares of the size. */
const SIZE_STEP = 1.15;
const PLACE_STEP = 0.25;
/** A smaller ring, in CSS pixels, is shown with a cross. */
const RING_LEAST = 10;
/** Buttons of a pen that is turned around. */
const ERASER = 32;

export class MaskBrush extends HTMLElement {
  constructor() {
    super();
    /** @type {CompareView | null} */
    this._view = null;
    /** @type {(() => void) | undefined} Ends what the view hears of this element. */
    this._untouched = undefined;
    /** @type {MaskLayer | null} */
    this._layer = null;
    this._size = 100;
    this._softness = 0.5;
    this._erase = false;
    /** @type {Stroke | null} */
    this._stroke = null;
    /** The pointer that paints, where and when it went down; -1 is the keyboard. */
    this._pointer = { id: 0, x: 0, y: 0, time: 0, event: /** @type {PointerEvent?} */ (null) };
    /** @type {{x: number, y: number} | null} Where the ring is, in pixels of the picture. */
    this._place = null;
    this._byKeys = false;
    this._space = false;
    this._frame = 0;
    this._canvas = document.createElement("canvas");
    this._canvas.className = "mask-brush-tint";
    this._context = this._canvas.getContext("2d");
    this._ring = document.createElement("div");
    this._ring.className = "mask-brush-ring";
    this._core = document.createElement("div");
    this._core.className = "mask-brush-core";
    this._ring.append(this._core);
    this._said = document.createElement("span");
    this._said.className = "unseen";
    this._said.setAttribute("role", "status");
    /** @type {ResizeObserver | null} */
    this._watcher = null;
    this._device = { width: 0, height: 0, ratio: 1 };
    this._redrawn = () => this._redraw();
    this._keyed = (/** @type {KeyboardEvent} */ event) => this._key(event);
    this._released = (/** @type {KeyboardEvent} */ event) => this._keyUp(event);
    this._listen();
  }

  /** The view that it lies over. */
  get view() {
    return this._view;
  }

  set view(view) {
    this._view?.removeEventListener("viewchange", this._redrawn);
    this._view?.classList.remove("compare-view-brushed");
    this._view = view;
    this._untouched?.();
    this._untouched = view?.gestures.listenToTouchpad(this);
    view?.addEventListener("viewchange", this._redrawn);
    this._settle();
  }

  /** The mask that is edited; null: none, and the view has the pointer for itself. */
  get layer() {
    return this._layer;
  }

  set layer(layer) {
    if (layer === this._layer) return;
    this._drop();
    this._layer?.removeEventListener("change", this._redrawn);
    this._layer = layer;
    layer?.addEventListener("change", this._redrawn);
    this._settle();
  }

  /** Diameter in pixels of the picture. */
  get size() {
    return this._size;
  }

  set size(size) {
    this._size = Math.max(1, Number(size) || 1);
    this._redraw();
  }

  /** Share of the radius over which a stroke fades, in [0, 1]. */
  get softness() {
    return this._softness;
  }

  set softness(softness) {
    this._softness = Math.min(1, Math.max(0, Number(softness) || 0));
    this._redraw();
  }

  /** Whether strokes take the style away. */
  get erase() {
    return this._erase;
  }

  set erase(erase) {
    this._erase = Boolean(erase);
    this._redraw();
  }

  connectedCallback() {
    if (!this.contains(this._canvas)) this.append(this._canvas, this._ring, this._said);
    this.classList.add("mask-brush");
    this.setAttribute("role", "application");
    this.setAttribute("aria-roledescription", "mask brush");
    if (!this.hasAttribute("aria-label")) {
      this.setAttribute(
        "aria-label",
        "Mask. Arrow keys move the brush, hold Space to paint, [ and ] change its size, " +
          "X switches between painting and erasing.",
      );
    }
    this._watcher = new ResizeObserver((entries) => this._resized(entries[entries.length - 1]));
    try {
      this._watcher.observe(this._canvas, { box: "device-pixel-content-box" });
    } catch {
      this._watcher.observe(this._canvas);
    }
    document.addEventListener("keydown", this._keyed);
    document.addEventListener("keyup", this._released);
    this._settle();
  }

  disconnectedCallback() {
    this._drop();
    this._watcher?.disconnect();
    this._view?.classList.remove("compare-view-brushed");
    document.removeEventListener("keydown", this._keyed);
    document.removeEventListener("keyup", this._released);
    cancelAnimationFrame(this._frame);
    this._frame = 0;
  }

  _settle() {
    const edits = this._layer !== null && this._view !== null;
    this.hidden = !edits;
    this.tabIndex = edits ? 0 : -1;
    this._view?.classList.toggle("compare-view-brushed", edits && this.isConnected);
    this._place = edits ? this._place : null;
    this._redraw();
  }

  // --- pointers -------------------------------------------------------------------------------

  _listen() {
    this.addEventListener("pointerdown", (event) => this._down(event));
    this.addEventListener("pointermove", (event) => this._move(event));
    for (const end of /** @type {const} */ (["pointerup", "pointercancel", "lostpointercapture"])) {
      this.addEventListener(end, (event) => this._up(event));
    }
    this.addEventListener("pointerleave", () => {
      if (this._stroke || this._byKeys) return;
      this._place = null;
      this._redraw();
    });
    this.addEventListener("contextmenu", (event) => event.preventDefault());
    this.addEventListener("blur", () => {
      if (this._byKeys) this._finish();
    });
  }

  /** @param {PointerEvent} event */
  _down(event) {
    if (!this._view || !this._layer) return;
    const eraser = event.pointerType === "pen" && (event.buttons & ERASER) !== 0;
    const moves = event.button === 1 || (event.pointerType === "mouse" && this._space);
    if (event.button !== 0 && !moves && !eraser) return;
    this.setPointerCapture(event.pointerId);
    if (moves || this._view.gestures.count > 0) return this._view.gestures.down(event);
    if (this._stroke) return this._second(event);
    this._byKeys = false;
    const { clientX: x, clientY: y, timeStamp: time, pointerId: id } = event;
    this._pointer = { id, x, y, time, event };
    this._begin(this._view.toPicture(x, y), eraser ? !this._erase : this._erase);
  }

  /**
   * Another finger during a stroke: soon after the first it is a pinch, and later a palm.
   *
   * @param {PointerEvent} event
   */
  _second(event) {
    const first = this._pointer.event;
    if (!first || first.pointerType !== "touch" || event.pointerType !== "touch") return;
    const far = Math.hypot(first.clientX - this._pointer.x, first.clientY - this._pointer.y);
    if (event.timeStamp - this._pointer.time > PINCH_MS && far > PINCH_PX) return;
    this._drop();
    this._place = null;
    this._view?.gestures.down(first);
    this._view?.gestures.down(event);
  }

  /** @param {PointerEvent} event */
  _move(event) {
    if (!this._view || !this._layer) return;
    this._view.gestures.move(event);
    const paints = this._stroke !== null && event.pointerId === this._pointer.id;
    if (this._stroke && !paints) return;
    if (event.pointerType === "touch" && !paints) return;
    this._byKeys = false;
    this._place = this._view.toPicture(event.clientX, event.clientY);
    if (this._stroke) {
      this._pointer.event = event;
      // A browser tells of a pointer once a frame; in between it went where these say.
      const passed = event.getCoalescedEvents?.() ?? [];
      for (const each of passed.length ? passed : [event]) {
        this._stroke.to(this._view.toPicture(each.clientX, each.clientY));
      }
    }
    this._redraw();
  }

  /** @param {PointerEvent} event */
  _up(event) {
    this._view?.gestures.up(event);
    if (!this._stroke || event.pointerId !== this._pointer.id) return;
    if (event.type === "pointercancel") this._drop();
    else this._finish();
    if (event.pointerType === "touch") this._place = null;
    this._redraw();
  }

  // --- strokes --------------------------------------------------------------------------------

  /**
   * @param {{x: number, y: number}} place
   * @param {boolean} erase
   */
  _begin(place, erase) {
    if (!this._view || !this._layer) return;
    const brush = { size: this._size, softness: this._softness, erase };
    this._stroke = new Stroke(this._layer, this._view.shownSize, brush);
    this._stroke.to(place);
    this._place = place;
    this._redraw();
  }

  _finish() {
    const stroke = this._stroke;
    if (!stroke) return;
    this._stroke = null;
    stroke.end();
    this.dispatchEvent(new CustomEvent("maskchange", { detail: { before: stroke.before } }));
  }

  /** Take back a stroke that is not ended. */
  _drop() {
    this._stroke?.cancel();
    this._stroke = null;
  }

  // --- keys -----------------------------------------------------------------------------------

  /** @param {KeyboardEvent} event */
  _key(event) {
    if (!this._view || !this._layer || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.defaultPrevented || isTyping(event.target)) return;
    const focused = event.target === this;
    if (event.key === "[") this._turn({ size: this._size / SIZE_STEP });
    else if (event.key === "]") this._turn({ size: this._size * SIZE_STEP });
    else if (event.key.toLowerCase() === "x") this._turn({ erase: !this._erase });
    else if (event.key === "Escape" && this._stroke) this._drop();
    else if (focused && event.key.startsWith("Arrow")) this._step(event);
    else if (event.key === " " && (focused || event.target === document.body)) this._spaceDown();
    else if (!focused || !this._view.zoomByKey(event.key)) return;
    event.preventDefault();
  }

  /** @param {KeyboardEvent} event */
  _keyUp(event) {
    if (event.key !== " ") return;
    this._space = false;
    if (this._byKeys) this._finish();
    this._redraw();
  }

  _spaceDown() {
    this._space = true;
    if (this._byKeys && this._place && !this._stroke) {
      this._pointer = { id: -1, x: 0, y: 0, time: 0, event: null };
      this._begin(this._place, this._erase);
    }
    this._redraw();
  }

  /** @param {KeyboardEvent} event */
  _step({ key, shiftKey }) {
    if (!this._view || (this._stroke && !this._byKeys)) return;
    const { width, height } = this._view.shownSize;
    const place = this._place ?? { x: width / 2, y: height / 2 };
    const step = Math.max(1, this._size * PLACE_STEP) * (shiftKey ? 4 : 1);
    const dx = key === "ArrowLeft" ? -step : key === "ArrowRight" ? step : 0;
    const dy = key === "ArrowUp" ? -step : key === "ArrowDown" ? step : 0;
    this._byKeys = true;
    this._place = {
      x: Math.min(width, Math.max(0, place.x + dx)),
      y: Math.min(height, Math.max(0, place.y + dy)),
    };
    this._stroke?.to(this._place);
    const percent = (/** @type {number} */ share) => `${Math.round(share * 100)} %`;
    const { x, y } = this._place;
    this._said.textContent =
      `${percent(x / width)} from the left, ${percent(y / height)} from the top`;
    this._redraw();
  }

  /** @param {{size?: number, erase?: boolean}} change */
  _turn({ size, erase }) {
    if (size !== undefined) {
      const { width, height } = this._view?.shownSize ?? { width: 1, height: 1 };
      // By a pixel at least, so that small brushes change too.
      const wanted = size > this._size ? Math.ceil(size) : Math.floor(size);
      this.size = Math.min(Math.max(width, height), Math.max(1, wanted));
    }
    if (erase !== undefined) this.erase = erase;
    this.dispatchEvent(new Event("brushchange"));
  }

  // --- drawing --------------------------------------------------------------------------------

  /** @param {ResizeObserverEntry} entry */
  _resized(entry) {
    this._device = deviceSize(entry);
    this._redraw();
  }

  _redraw() {
    if (this._frame || !this.isConnected) return;
    this._frame = requestAnimationFrame(() => {
      this._stroke?.paint(); // tells of a change, for which this frame will do
      this._frame = 0;
      this._draw();
    });
  }

  _draw() {
    const { width, height, ratio } = this._device;
    const context = this._context;
    const [view, layer] = [this._view, this._layer];
    if (!context || !view || !layer || !width || !height) return;
    if (this._canvas.width !== width || this._canvas.height !== height) {
      this._canvas.width = width;
      this._canvas.height = height;
    }
    const own = this.getBoundingClientRect();
    const other = view.getBoundingClientRect();
    const box = view.pictureBox;
    const left = Math.round((box.left + other.left - own.left) * ratio);
    const top = Math.round((box.top + other.top - own.top) * ratio);
    const [wide, high] = [Math.round(box.width * ratio), Math.round(box.height * ratio)];
    context.globalCompositeOperation = "copy"; // replaces all that was there
    context.imageSmoothingEnabled = true;
    context.drawImage(layer.canvas, left, top, wide, high);
    context.globalCompositeOperation = "source-in";
    context.fillStyle = getComputedStyle(this).getPropertyValue("--mask-brush-tint").trim();
    context.fillRect(0, 0, width, height);
    this._drawRing(box, { x: other.left - own.left, y: other.top - own.top });
  }

  /**
   * @param {{left: number, top: number, width: number, height: number}} box of the picture
   * @param {{x: number, y: number}} corner of the view
   */
  _drawRing(box, corner) {
    const shown = this._view?.shownSize;
    this._ring.hidden = this._place === null || !shown?.width;
    this.classList.toggle("mask-brush-rests", this._place === null);
    if (!shown || !this._place) return;
    const scale = box.width / shown.width;
    const size = Math.max(4, this._size * scale);
    const x = corner.x + box.left + this._place.x * scale - size / 2;
    const y = corner.y + box.top + this._place.y * scale - size / 2;
    this._ring.style.width = `${size}px`;
    this._ring.style.height = `${size}px`;
    this._ring.style.transform = `translate(${x}px, ${y}px)`;
    this._ring.classList.toggle("mask-brush-erases", this._erase);
    const core = size * (1 - this._softness);
    this._core.hidden = this._softness === 0 || core < 3;
    this._core.style.width = `${core}px`;
    this._core.style.height = `${core}px`;
    const small = size < RING_LEAST;
    this.style.cursor = this._space && !this._byKeys ? "grab" : small ? "crosshair" : "none";
  }
}

/** @param {EventTarget | null} target */
function isTyping(target) {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target instanceof HTMLTextAreaElement) return true;
  if (target instanceof HTMLSelectElement) return true;
  const keyless = ["range", "checkbox", "radio", "button", "color", "file"];
  return target instanceof HTMLInputElement && !keyless.includes(target.type);
}

customElements.define("mask-brush", MaskBrush);
