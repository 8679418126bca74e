// @ts-check
/** The one place where settings and masks are kept, with every step back and forth. */

import { same } from "./settings.js";

/** @typedef {import("../types").Settings} Settings */
/** @typedef {import("../view/mask_layer.js").MaskLayer} MaskLayer */

/** Masks by the photograph and the style that they are for, see `maskKey`. */
/** @typedef {ReadonlyMap<string, MaskLayer>} Masks */

/** @typedef {{settings: Settings, masks: Masks}} State */

const MAX_STEPS = 100;
/** Masks are pictures of up to 4 MB, so fewer steps are kept where they are many. */
const MAX_MASKS = 24;
/** Turns of one control within this time are one step, as those of a held arrow key. */
const ONE_TURN_MS = 600;

/**
 * @param {string} photo id of a photograph
 * @param {string} style id of a style
 */
export function maskKey(photo, style) {
  return `${photo}\n${style}`;
}

/**
 * Fires `change` whenever settings or masks differ from before; `event.detail.transient` is true
 * while a control is still being turned.
 */
export class Store extends EventTarget {
  /** @type {State} */
  #now;
  /** @type {State[]} */
  #past = [];
  /** @type {State[]} */
  #future = [];
  /** @type {State | null} What was before a control was touched that is still being turned. */
  #before = null;
  /** @type {{fields: string, time: number}} The latest step. */
  #latest = { fields: "", time: -Infinity };
  /** @type {WeakMap<MaskLayer, number>} */
  #versions = new WeakMap();
  #nextVersion = 1;

  /** @param {Settings} settings */
  constructor(settings) {
    super();
    this.#now = { settings: structuredClone(settings), masks: new Map() };
  }

  /** @returns {Readonly<Settings>} */
  get settings() {
    return this.#now.settings;
  }

  get canUndo() {
    return this.#past.length > 0;
  }

  get canRedo() {
    return this.#future.length > 0;
  }

  /**
   * Change settings.
   *
   * @param {Partial<Settings>} patch
   * @param {{transient?: boolean, now?: number}} options transient: more of the same turn follows,
   *   and only its end is a step; now: the time in milliseconds
   */
  set(patch, { transient = false, now = performance.now() } = {}) {
    const settings = { ...this.#now.settings, ...structuredClone(patch) };
    const changed = !same(settings, this.#now.settings);
    if (transient) {
      if (!changed) return;
      this.#before ??= this.#now;
      this.#replace({ ...this.#now, settings }, true);
      return;
    }
    const before = this.#before ?? this.#now;
    this.#before = null;
    if (same(settings, before.settings)) {
      if (changed) this.#replace({ ...this.#now, settings }, false); // turned back where it was
      return;
    }
    const fields = Object.keys(patch).sort().join();
    const goesOn = fields === this.#latest.fields && now - this.#latest.time < ONE_TURN_MS;
    if (!goesOn || !this.canUndo) this.#remember(before);
    this.#future = [];
    this.#latest = { fields, time: now };
    this.#replace({ ...this.#now, settings }, false);
  }

  /**
   * The mask of a style on a photograph; null where there is none, or nothing is on it.
   *
   * @param {string} photo
   * @param {string} style
   * @returns {MaskLayer | null}
   */
  mask(photo, style) {
    return this.#now.masks.get(maskKey(photo, style)) ?? null;
  }

  /**
   * Give a style another mask, or none.
   *
   * @param {string} photo
   * @param {string} style
   * @param {MaskLayer | null} layer
   */
  setMask(photo, style, layer) {
    const masks = new Map(this.#now.masks);
    if (layer === null) masks.delete(maskKey(photo, style));
    else masks.set(maskKey(photo, style), layer);
    this.#step({ ...this.#now, masks });
  }

  /**
   * Note that a mask was painted on in place.
   *
   * @param {string} photo
   * @param {string} style
   * @param {MaskLayer} before a copy of it as it was
   */
  maskPainted(photo, style, before) {
    const layer = this.mask(photo, style);
    if (layer === null) return;
    this.#versions.set(before, this.version(layer));
    this.#versions.set(layer, this.#nextVersion++);
    const masks = new Map(this.#now.masks).set(maskKey(photo, style), before);
    this.#remember({ ...this.#now, masks });
    this.#future = [];
    this.#latest.fields = "";
    this.#replace(this.#now, false);
  }

  /**
   * A number that differs whenever what is on a mask differs; the same again after an undo.
   *
   * @param {MaskLayer} layer
   * @returns {number}
   */
  version(layer) {
    let version = this.#versions.get(layer);
    if (version === undefined) this.#versions.set(layer, (version = this.#nextVersion++));
    return version;
  }

  /** Begin anew: what is now cannot be undone. */
  forgetSteps() {
    this.#past = [];
    this.#future = [];
  }

  /**
   * Forget all masks of a photograph that is gone, in every step too.
   *
   * @param {string} photo
   */
  forget(photo) {
    const without = (/** @type {State} */ state) => ({
      ...state,
      masks: new Map([...state.masks].filter(([key]) => !key.startsWith(`${photo}\n`))),
    });
    this.#now = without(this.#now);
    this.#past = this.#past.map(without);
    this.#future = this.#future.map(without);
  }

  undo() {
    const state = this.#past.pop();
    if (!state) return;
    this.#future.push(this.#now);
    this.#jump(state);
  }

  redo() {
    const state = this.#future.pop();
    if (!state) return;
    this.#past.push(this.#now);
    this.#jump(state);
  }

  /** @param {State} state */
  #step(state) {
    this.#remember(this.#now);
    this.#future = [];
    this.#latest.fields = "";
    this.#replace(state, false);
  }

  /** @param {State} state */
  #jump(state) {
    this.#before = null;
    this.#latest.fields = "";
    this.#replace(state, false);
  }

  /** @param {State} state */
  #remember(state) {
    this.#past.push(state);
    while (this.#past.length > MAX_STEPS || this.#keptMasks() > MAX_MASKS) this.#past.shift();
  }

  #keptMasks() {
    return new Set(this.#past.flatMap((state) => [...state.masks.values()])).size;
  }

  /**
   * @param {State} state
   * @param {boolean} transient
   */
  #replace(state, transient) {
    this.#now = state;
    this.dispatchEvent(new CustomEvent("change", { detail: { transient } }));
  }
}
