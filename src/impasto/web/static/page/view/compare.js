// @ts-check
/**
 * <compare-view>: a photograph and what was painted from it, one over the other, with a divider
 * that is dragged or moved by the arrow keys, and zoom.
 *
 * Events: `splitchange` when the user moved the divider; `viewchange` (detail: {scale, fitted})
 * whenever the picture lies elsewhere or is as large otherwise, before it is drawn so.
 */

import { deviceSize } from "./device_size.js";
import { Gestures } from "./gestures.js";
import { Placement } from "./placement.js";
import { Reductions } from "./reductions.js";

/** From so many device pixels for each of its own on, a picture is shown as squares. */
const SQUARES_FROM = 3;
/** Steps of keys. */
const ZOOM_STEP = 1.25;
const PAN_STEP = 64;
const SPLIT_STEP = 0.01;
const SPLIT_LEAP = 0.1;

/** Side of a square of the checkerboard, in CSS pixels. */
const CHECK = 8;

/** @typedef {"photograph" | "painting"} Side */

export class CompareView extends HTMLElement {
  constructor() {
    super();
    this._placement = new Placement();
    this._gestures = new Gestures(this);
    /** @type {Record<Side, ImageBitmap | null>} */
    this._bitmaps = { photograph: null, painting: null };
    /** @type {Record<Side, Reductions | null>} */
    this._reductions = { photograph: null, painting: null };
    /** @type {{width: number, height: number} | null} */
    this._pictureSize = null;
    this._split = 0.5;
    /** @type {Record<Side, string>} */
    this._words = { photograph: "Photograph", painting: "Painted" };
    this._frame = 0;
    /** @type {ResizeObserver | null} */
    this._watcher = null;
    /** Device pixels of the canvas, and of each CSS pixel. */
    this._size = { width: 0, height: 0, ratio: 1 };
    /** @type {CanvasPattern | null} */
    this._checks = null;
    this._repaint = () => {
      this._checks = null;
      this._redraw();
    };
    this._scheme = globalThis.matchMedia("(prefers-color-scheme: dark)");
    this._canvas = document.createElement("canvas");
    this._canvas.className = "compare-view-canvas";
    this._canvas.tabIndex = 0;
    this._canvas.setAttribute("role", "img");
    this._context = this._canvas.getContext("2d");
    this._frames = { photograph: labelFrame("photograph"), painting: labelFrame("painting") };
    this._divider = divider();
    this._listen();
  }

  /** The photograph, which the caller closes; stretched to `pictureSize`. */
  get photograph() {
    return this._bitmaps.photograph;
  }

  set photograph(bitmap) {
    this._take("photograph", bitmap);
  }

  /** What was painted, likewise. */
  get painting() {
    return this._bitmaps.painting;
  }

  set painting(bitmap) {
    this._take("painting", bitmap);
  }

  /** Size of the picture in its own pixels; null: that of the photograph, or of the painting. */
  get pictureSize() {
    return this._pictureSize;
  }

  set pictureSize(size) {
    this._pictureSize = size && { width: size.width, height: size.height };
    this._settle();
  }

  /** Share of what is seen of the picture that is photograph: 0 is all painted. */
  get split() {
    return this._split;
  }

  set split(value) {
    this._split = Math.min(1, Math.max(0, Number(value) || 0));
    this._announce();
    this._redraw();
  }

  get photographLabel() {
    return this._words.photograph;
  }

  set photographLabel(words) {
    this._words.photograph = words;
    this._announce();
  }

  get paintingLabel() {
    return this._words.painting;
  }

  set paintingLabel(words) {
    this._words.painting = words;
    this._announce();
  }

  /** Device pixels for each pixel of the picture: 1 is 100 %. */
  get scale() {
    return this._placement.scale;
  }

  /** Whether the whole picture is shown, also when the view becomes larger or smaller. */
  get fitted() {
    return this._placement.fitted;
  }

  /** Size of the picture that is shown, in its own pixels. */
  get shownSize() {
    return { width: this._placement.width, height: this._placement.height };
  }

  /** Where the picture lies in the view, in CSS pixels from its corner. */
  get pictureBox() {
    const { left, top, width, height } = this._placement.box;
    const ratio = this._size.ratio;
    return { left: left / ratio, top: top / ratio, width: width / ratio, height: height / ratio };
  }

  /** For elements that lie over the view and leave panning and zooming to it. */
  get gestures() {
    return this._gestures;
  }

  /** Show the whole picture. */
  fit() {
    this._placement.fit();
    this._moved();
  }

  /**
   * Zoom with the middle of the view held.
   *
   * @param {number} scale 1 for a pixel of the picture on a pixel of the device
   */
  zoomTo(scale) {
    this._placement.zoom(scale);
    this._moved();
  }

  /**
   * The place in the picture, in its pixels, under a place of the window.
   *
   * @param {number} clientX
   * @param {number} clientY
   * @returns {{x: number, y: number}}
   */
  toPicture(clientX, clientY) {
    const { x, y } = this._toDevice(clientX, clientY);
    const { left, top, width, height } = this._placement.box;
    return {
      x: ((x - left) / width) * this._placement.width,
      y: ((y - top) / height) * this._placement.height,
    };
  }

  // --- what gestures do -----------------------------------------------------------------------

  get movable() {
    return this._placement.movable;
  }

  get dividerX() {
    return this._canvas.getBoundingClientRect().left + this._dividerAt() / this._size.ratio;
  }

  /**
   * @param {number} dx in CSS pixels
   * @param {number} dy
   */
  panBy(dx, dy) {
    this._placement.pan(dx * this._size.ratio, dy * this._size.ratio);
    this._moved();
  }

  /**
   * @param {number} factor
   * @param {number} clientX what is here stays here
   * @param {number} clientY
   */
  zoomBy(factor, clientX, clientY) {
    this.pinchBy(0, 0, factor, clientX, clientY);
  }

  /**
   * @param {number} dx in CSS pixels
   * @param {number} dy
   * @param {number} factor
   * @param {number} clientX what is here after panning stays here
   * @param {number} clientY
   */
  pinchBy(dx, dy, factor, clientX, clientY) {
    const { x, y } = this._toDevice(clientX, clientY);
    const ratio = this._size.ratio;
    this._placement.pinch(dx * ratio, dy * ratio, factor, x, y);
    this._moved();
  }

  /**
   * From the whole picture to 100 % at a place (or twice, if it is larger already), and back.
   *
   * @param {number} clientX
   * @param {number} clientY
   */
  zoomInOrOut(clientX, clientY) {
    if (!this._placement.fitted) return this.fit();
    const { x, y } = this._toDevice(clientX, clientY);
    const fitting = this._placement.fitting;
    this._placement.zoom(fitting < 0.99 ? 1 : 2 * fitting, x, y);
    this._moved();
  }

  /**
   * Zoom by + and -, to the whole picture by 0, and to 100 % by 1.
   *
   * @param {string} key
   * @returns {boolean} whether it is one of these
   */
  zoomByKey(key) {
    if (key === "+" || key === "=") this.zoomTo(this.scale * ZOOM_STEP);
    else if (key === "-" || key === "_") this.zoomTo(this.scale / ZOOM_STEP);
    else if (key === "0") this.fit();
    else if (key === "1") this.zoomTo(1);
    else return false;
    return true;
  }

  /** @param {number} clientX */
  divideAt(clientX) {
    const { left, right } = this._seen();
    const { x } = this._toDevice(clientX, 0);
    this._splitByUser((x - left) / Math.max(1, right - left));
  }

  // --- life -----------------------------------------------------------------------------------

  connectedCallback() {
    if (!this.contains(this._canvas)) {
      this.prepend(this._canvas, this._frames.photograph, this._frames.painting, this._divider);
    }
    this.classList.add("compare-view");
    this.setAttribute("role", this.getAttribute("role") ?? "group");
    if (!this.hasAttribute("aria-label")) this.setAttribute("aria-label", "Picture");
    this._watcher = new ResizeObserver((entries) => this._resized(entries));
    try {
      this._watcher.observe(this._canvas, { box: "device-pixel-content-box" });
    } catch {
      this._watcher.observe(this._canvas); // older browsers: the size is rounded then
    }
    this._watcher.observe(this); // its padding
    this._scheme.addEventListener("change", this._repaint);
    this._announce();
    this._redraw();
  }

  disconnectedCallback() {
    this._watcher?.disconnect();
    this._scheme.removeEventListener("change", this._repaint);
    cancelAnimationFrame(this._frame);
    this._frame = 0;
  }

  _listen() {
    this.addEventListener("pointerdown", (event) => {
      if (event.button > 1 || !(event.target instanceof Node)) return;
      const divides = this._divider.contains(event.target);
      if (event.target !== this._canvas && !divides) return;
      this.setPointerCapture(event.pointerId);
      this._gestures.down(event, divides);
      this.classList.toggle("compare-view-held", this.movable && !divides);
    });
    this.addEventListener("pointermove", (event) => this._gestures.move(event));
    for (const end of /** @type {const} */ (["pointerup", "pointercancel", "lostpointercapture"])) {
      this.addEventListener(end, (event) => {
        this._gestures.up(event);
        this.classList.toggle("compare-view-held", this._gestures.count > 0 && this.movable);
      });
    }
    this._gestures.listenToTouchpad(this);
    this.addEventListener("keydown", (event) => this._key(event));
  }

  /** @param {KeyboardEvent} event */
  _key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this._placement.width) return;
    const turn = event.target === this._divider ? this._splitKey(event) : null;
    const pan = event.target === this._canvas ? this._panKey(event) : null;
    if (turn !== null) this._splitByUser(turn);
    else if (pan) this.panBy(pan[0], pan[1]);
    else if (!this.zoomByKey(event.key)) return;
    event.preventDefault();
  }

  /** @param {KeyboardEvent} event */
  _splitKey({ key, shiftKey }) {
    const step = shiftKey ? SPLIT_LEAP : SPLIT_STEP;
    const now = this._split;
    if (key === "ArrowRight" || key === "ArrowUp") return now + step;
    if (key === "ArrowLeft" || key === "ArrowDown") return now - step;
    if (key === "PageUp") return now + SPLIT_LEAP;
    if (key === "PageDown") return now - SPLIT_LEAP;
    if (key === "Home") return 0;
    return key === "End" ? 1 : null;
  }

  /** @param {KeyboardEvent} event */
  _panKey({ key, shiftKey }) {
    const step = PAN_STEP * (shiftKey ? 4 : 1);
    if (key === "ArrowLeft") return [step, 0];
    if (key === "ArrowRight") return [-step, 0];
    if (key === "ArrowUp") return [0, step];
    return key === "ArrowDown" ? [0, -step] : null;
  }

  // --- state ----------------------------------------------------------------------------------

  /**
   * @param {Side} side
   * @param {ImageBitmap | null} bitmap
   */
  _take(side, bitmap) {
    if (bitmap === this._bitmaps[side]) return;
    this._reductions[side]?.close();
    this._bitmaps[side] = bitmap;
    this._reductions[side] = bitmap && new Reductions(bitmap, () => this._redraw());
    this._announce();
    this._settle();
  }

  _settle() {
    const size = this._pictureSize ?? this._bitmaps.photograph ?? this._bitmaps.painting;
    const { width, height, scale } = this._placement;
    this._placement.setPicture(size?.width ?? 0, size?.height ?? 0);
    const now = this._placement;
    if (width !== now.width || height !== now.height || scale !== now.scale) this._moved();
    else this._redraw();
  }

  /** @param {number} value */
  _splitByUser(value) {
    const before = this._split;
    this.split = Math.round(value * 1e4) / 1e4;
    if (this._split === before) return;
    this.dispatchEvent(new CustomEvent("splitchange", { detail: { split: this._split } }));
  }

  _moved() {
    const { scale, fitted } = this._placement;
    this.dispatchEvent(new CustomEvent("viewchange", { detail: { scale, fitted } }));
    this._redraw();
  }

  /** @param {ResizeObserverEntry[]} entries */
  _resized(entries) {
    const canvas = entries.find(({ target }) => target === this._canvas);
    if (canvas) this._size = deviceSize(canvas);
    const ratio = this._size.ratio;
    const style = getComputedStyle(this);
    const edge = (/** @type {string} */ padding) => (parseFloat(padding) || 0) * ratio;
    const [left, top] = [edge(style.paddingLeft), edge(style.paddingTop)];
    this._placement.setRoom({
      left,
      top,
      width: Math.max(1, this._size.width - left - edge(style.paddingRight)),
      height: Math.max(1, this._size.height - top - edge(style.paddingBottom)),
    });
    this._checks = null;
    this._moved();
  }

  _announce() {
    const both = this._bitmaps.photograph !== null && this._bitmaps.painting !== null;
    this._divider.hidden = !both;
    for (const side of /** @type {const} */ (["photograph", "painting"])) {
      this._frames[side].hidden = !both;
      const label = this._frames[side].firstElementChild;
      if (label) label.textContent = this._words[side];
    }
    const { photograph, painting } = this._words;
    const percent = Math.round(this._split * 100);
    this._divider.setAttribute("aria-label", `Divider: ${photograph} | ${painting}`);
    this._divider.setAttribute("aria-valuenow", String(percent));
    this._divider.setAttribute(
      "aria-valuetext",
      `${percent} % ${photograph.toLowerCase()}, ${100 - percent} % ${painting.toLowerCase()}`,
    );
    const one = this._bitmaps.painting ? painting : photograph;
    const shown = both ? `${photograph} and ${painting.toLowerCase()}` : one;
    const empty = this._bitmaps.photograph === null && this._bitmaps.painting === null;
    this._canvas.setAttribute("aria-label", empty ? "No picture" : shown);
  }

  /**
   * @param {number} clientX
   * @param {number} clientY
   */
  _toDevice(clientX, clientY) {
    const { left, top, width, height } = this._canvas.getBoundingClientRect();
    return {
      x: (clientX - left) * (width ? this._size.width / width : 1),
      y: (clientY - top) * (height ? this._size.height / height : 1),
    };
  }

  /** What is seen of the picture, in device pixels. */
  _seen() {
    const box = this._placement.box;
    const { width, height } = this._size;
    return {
      left: Math.max(0, box.left),
      top: Math.max(0, box.top),
      right: Math.max(0, Math.min(width, box.left + box.width)),
      bottom: Math.max(0, Math.min(height, box.top + box.height)),
    };
  }

  /** The divider from the left of the view, in whole device pixels. */
  _dividerAt() {
    const { left, right } = this._seen();
    return Math.round(left + this._split * (right - left));
  }

  // --- drawing --------------------------------------------------------------------------------

  _redraw() {
    if (this._frame || !this.isConnected) return;
    this._frame = requestAnimationFrame(() => {
      this._frame = 0;
      this._draw();
    });
  }

  _draw() {
    const { width, height } = this._size;
    const context = this._context;
    if (!context || !width || !height) return;
    if (this._canvas.width !== width || this._canvas.height !== height) {
      this._canvas.width = width; // also clears it
      this._canvas.height = height;
    } else {
      context.clearRect(0, 0, width, height);
    }
    const seen = this._seen();
    this._place(seen);
    const empty = !this._bitmaps.photograph && !this._bitmaps.painting;
    if (empty || !this._placement.width || seen.right <= seen.left) return;
    this._drawChecks(context, seen);
    const at = this._dividerAt();
    const { photograph, painting } = this._bitmaps;
    const both = photograph && painting;
    if (!both) return this._drawSide(context, photograph ? "photograph" : "painting", seen);
    this._drawSide(context, "photograph", { ...seen, right: at });
    this._drawSide(context, "painting", { ...seen, left: at });
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Side} side
   * @param {{left: number, top: number, right: number, bottom: number}} part
   */
  _drawSide(context, side, { left, top, right, bottom }) {
    const bitmap = this._bitmaps[side];
    const reductions = this._reductions[side];
    if (!bitmap || !reductions || !bitmap.width || right <= left || bottom <= top) return;
    const box = this._placement.box;
    const { image, factor } = reductions.at(
      Math.min(bitmap.width / box.width, bitmap.height / box.height),
    );
    context.save();
    context.beginPath();
    context.rect(left, top, right - left, bottom - top);
    context.clip();
    // A small picture that stands in for a large one is smooth: its pixels are not the picture's.
    const whole = bitmap.width >= this._placement.width;
    context.imageSmoothingEnabled = !(whole && this._placement.scale >= SQUARES_FROM);
    context.imageSmoothingQuality = "low"; // of a picture that is reduced by less than a half
    const wide = bitmap.width / factor;
    const high = bitmap.height / factor;
    context.drawImage(image, 0, 0, wide, high, box.left, box.top, box.width, box.height);
    context.restore();
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {{left: number, top: number, right: number, bottom: number}} part
   */
  _drawChecks(context, { left, top, right, bottom }) {
    this._checks ??= checkerboard(context, this, Math.max(1, Math.round(CHECK * this._size.ratio)));
    if (!this._checks) return;
    const box = this._placement.box;
    context.save();
    context.translate(box.left, box.top);
    context.fillStyle = this._checks;
    context.fillRect(left - box.left, top - box.top, right - left, bottom - top);
    context.restore();
  }

  /**
   * Put divider and labels where they belong.
   *
   * @param {{left: number, top: number, right: number, bottom: number}} seen
   */
  _place({ left, top, right, bottom }) {
    const ratio = this._size.ratio;
    const at = this._dividerAt();
    this.classList.toggle("compare-view-movable", this.movable);
    this._divider.style.transform = `translate(${at / ratio}px, ${top / ratio}px)`;
    this._divider.style.height = `${(bottom - top) / ratio}px`;
    place(this._frames.photograph, left / ratio, top / ratio, at / ratio, bottom / ratio);
    place(this._frames.painting, at / ratio, top / ratio, right / ratio, bottom / ratio);
  }
}

function divider() {
  const element = document.createElement("div");
  element.className = "compare-view-divider";
  element.tabIndex = 0;
  element.setAttribute("role", "slider");
  element.setAttribute("aria-orientation", "horizontal");
  element.setAttribute("aria-valuemin", "0");
  element.setAttribute("aria-valuemax", "100");
  const handle = document.createElement("span");
  handle.className = "compare-view-handle";
  element.append(handle);
  return element;
}

/**
 * A label that the divider covers when it passes.
 *
 * @param {Side} side
 */
function labelFrame(side) {
  const frame = document.createElement("div");
  frame.className = `compare-view-frame compare-view-${side}`;
  frame.setAttribute("aria-hidden", "true"); // the divider says it
  const label = document.createElement("span");
  label.className = "compare-view-label";
  frame.append(label);
  return frame;
}

/**
 * @param {HTMLElement} element
 * @param {number} left
 * @param {number} top
 * @param {number} right
 * @param {number} bottom
 */
function place(element, left, top, right, bottom) {
  element.style.transform = `translate(${left}px, ${top}px)`;
  element.style.width = `${Math.max(0, right - left)}px`;
  element.style.height = `${Math.max(0, bottom - top)}px`;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {HTMLElement} element whose style names the colors
 * @param {number} side of a square
 */
function checkerboard(context, element, side) {
  const style = getComputedStyle(element);
  const canvas = new OffscreenCanvas(2 * side, 2 * side);
  const squares = canvas.getContext("2d");
  if (!squares) return null;
  squares.fillStyle = style.getPropertyValue("--compare-view-pale").trim() || "#ffffff";
  squares.fillRect(0, 0, 2 * side, 2 * side);
  squares.fillStyle = style.getPropertyValue("--compare-view-dark").trim() || "#d4d4d4";
  squares.fillRect(0, 0, side, side);
  squares.fillRect(side, side, side, side);
  return context.createPattern(canvas, "repeat");
}

customElements.define("compare-view", CompareView);
