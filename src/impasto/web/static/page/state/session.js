// @ts-check
/** What the page works on: painter, styles, photographs and settings, and what follows of them. */

import { METHODS } from "../controls/color/index.js";
import { PaintError } from "../errors.js";
import { resultName } from "./command.js";
import { linkedModel, readLink, writeLink } from "./link.js";
import { Paintings } from "./paintings.js";
import { Photos } from "./photos.js";
import { DEFAULTS, MAX_STYLES, lookOf } from "./settings.js";
import { Store } from "./store.js";

/** @typedef {import("../types").Look} Look */
/** @typedef {import("../types").Painter} Painter */
/** @typedef {import("../types").Photo} Photo */
/** @typedef {import("../types").Plane} Plane */
/** @typedef {import("../types").StyleInfo} StyleInfo */
/** @typedef {import("../view/mask_layer.js").MaskLayer} MaskLayer */

/** The first of these that a model has is what a visitor sees first. */
const FIRST_STYLES = ["munch-scream"];

/** Fires `styles` when there are other styles, and `problem` (detail: the error). */
export class Session extends EventTarget {
  painter;
  store;
  photos = new Photos();
  paintings;
  /** @type {StyleInfo[]} Styles of the model: first those that the user brought. */
  styles = [];
  /** Model that the styles are for. */
  #stylesOf = "";
  /** @type {Map<string, string>} Names of the files of styles that the user brought. */
  #styleFiles = new Map();
  /** @type {WeakMap<MaskLayer, {version: number, plane: Plane | null}>} */
  #planes = new WeakMap();

  /**
   * @param {Painter} painter
   * @param {string} hash the part of the address behind `#`
   */
  static async open(painter, hash) {
    const models = painter.site.models.map(({ name }) => name);
    const session = new Session(painter, linkedModel(hash, models) ?? models[0]);
    await session.#loadStyles();
    const { problem } = session.follow(hash);
    return { session, problem };
  }

  /**
   * @param {Painter} painter
   * @param {string} model
   */
  constructor(painter, model) {
    super();
    this.painter = painter;
    this.paintings = new Paintings(painter);
    this.store = new Store({ ...DEFAULTS, model });
    this.store.addEventListener("change", (event) => {
      const { transient } = /** @type {CustomEvent} */ (event).detail;
      if (this.store.settings.model !== this.#stylesOf) void this.#changeModel();
      else this.paint(transient);
    });
    this.photos.addEventListener("change", () => this.paint(false));
  }

  get colors() {
    return METHODS;
  }

  /** The chosen styles. */
  get chosen() {
    return this.store.settings.styles.map((id) => this.style(id));
  }

  /** Whether the pictures of all chosen styles are known, which some color methods need. */
  get picturesKnown() {
    return this.chosen.every(({ picture }) => picture);
  }

  /**
   * @param {string} id
   * @returns {StyleInfo}
   */
  style(id) {
    const found = this.styles.find((style) => style.id === id);
    return found ?? { id, title: id, thumbnail: "icon.svg", own: false, picture: false };
  }

  /**
   * Name of the file of a style that the user brought; null for one of the gallery.
   *
   * @param {string} id
   */
  styleFile(id) {
    return this.#styleFiles.get(id) ?? null;
  }

  /**
   * Take the settings of a link.
   *
   * @param {string} hash
   */
  follow(hash) {
    const models = this.painter.site.models.map(({ name }) => name);
    const ids = this.#galleryIds();
    const first = FIRST_STYLES.find((style) => ids.includes(style)) ?? this.styles[0]?.id;
    const start = { ...DEFAULTS, model: models[0], styles: first ? [first] : [] };
    const colors = METHODS.map(({ name }) => name).filter((name) => this.#isForAll(name));
    const read = readLink(hash, start, { models, styles: ids, colors });
    this.store.set(read.settings);
    return read;
  }

  /** The part of an address behind `#` that gives these settings. */
  get link() {
    const { settings } = this.store;
    // What needs the picture of a style is nothing without the style, which no link brings.
    const color = this.#isForAll(settings.color) ? settings.color : null;
    return writeLink({ ...settings, color }, this.#galleryIds());
  }

  /**
   * Take pictures or style files as styles, and choose them.
   *
   * @param {{file: Blob, name: string}[]} files
   */
  async addStyles(files) {
    /** @type {string[]} */
    const added = [];
    try {
      for (const { file, name } of files) {
        const style = await this.painter.addStyle(file, name);
        this.#styleFiles.set(style.id, name);
        added.push(style.id);
      }
    } finally {
      if (added.length) {
        await this.#loadStyles();
        const mixed = this.store.settings.styles.length > 1 || added.length > 1;
        const before = mixed ? this.store.settings.styles : [];
        const styles = [...before, ...added].slice(-MAX_STYLES);
        this.store.set({ styles, ...this.#possibleColor(styles) });
      }
    }
  }

  /**
   * Choose styles; a color method that needs pictures of them is left where there are none.
   *
   * @param {string[]} styles
   */
  choose(styles) {
    if (styles.length > MAX_STYLES) {
      throw new PaintError(`Up to ${MAX_STYLES} styles can be mixed; remove one first.`);
    }
    this.store.set({ styles, ...this.#possibleColor(styles) });
  }

  /** @param {string[]} styles */
  #possibleColor(styles) {
    const method = METHODS.find(({ name }) => name === this.store.settings.color);
    const known = styles.every((id) => this.style(id).picture);
    return method?.needsPicture && !known ? { color: null } : {};
  }

  /**
   * The masks of a photograph, one for each chosen style, as numbers; null: everywhere.
   *
   * @param {Photo} photo
   * @returns {(Plane | null)[]}
   */
  masks(photo) {
    return this.store.settings.styles.map((style) => {
      const layer = this.store.mask(photo.id, style);
      if (layer === null) return null;
      const version = this.store.version(layer);
      let kept = this.#planes.get(layer);
      if (kept?.version !== version) {
        // With nothing on it yet a mask does not count, and one that is full changes nothing.
        const plane = layer.isEmpty || layer.isFull ? null : layer.toPlane();
        this.#planes.set(layer, (kept = { version, plane }));
      }
      return kept.plane;
    });
  }

  /** @param {Photo} photo */
  look(photo) {
    return lookOf(this.store.settings, this.masks(photo));
  }

  /**
   * Shorter side of the result of a photograph, which is never enlarged; null: its own.
   *
   * @param {Photo} photo
   */
  sizeFor({ width, height }) {
    const { size } = this.store.settings;
    return size !== null && size < Math.min(width, height) ? size : null;
  }

  /**
   * Size of the result of a photograph in pixels.
   *
   * @param {Photo} photo
   */
  sizeOf(photo) {
    const { width, height } = photo;
    const factor = (this.sizeFor(photo) ?? Infinity) / Math.min(width, height);
    if (factor >= 1) return { width, height };
    return { width: Math.round(width * factor), height: Math.round(height * factor) };
  }

  /** The look of a camera or a film, for which there are no masks. */
  get liveLook() {
    return lookOf(this.store.settings);
  }

  /**
   * What the file of a result is called.
   *
   * @param {Photo} photo
   * @param {string} suffix
   */
  resultName(photo, suffix) {
    const styles = this.store.settings.styles.map((id) => this.styleFile(id) ?? id);
    return resultName(photo.name, styles, suffix);
  }

  /** @param {boolean} transient */
  paint(transient) {
    const photo = this.photos.current;
    const { settings } = this.store;
    if (photo === null || settings.styles.length === 0) {
      this.paintings.clear();
      return;
    }
    const { size: _, ...rest } = settings;
    const masks = settings.styles.map((style) => {
      const layer = this.store.mask(photo.id, style);
      return layer && this.store.version(layer);
    });
    const key = JSON.stringify([rest, masks]);
    const wish = { photo, look: () => this.look(photo), key, size: this.sizeFor(photo) };
    this.paintings.paint(wish, { transient });
  }

  /** @param {Photo} photo */
  remove(photo) {
    this.photos.remove(photo.id);
    this.paintings.forget(photo);
    this.store.forget(photo.id);
  }

  /** @param {string | null} color whether it does without the pictures of the styles */
  #isForAll(color) {
    return !METHODS.some(({ name, needsPicture }) => name === color && needsPicture);
  }

  #galleryIds() {
    return this.styles.filter(({ own }) => !own).map(({ id }) => id);
  }

  async #loadStyles() {
    const { model } = this.store.settings;
    const styles = await this.painter.styles(model);
    if (model !== this.store.settings.model) return;
    this.styles = [...styles.filter(({ own }) => own), ...styles.filter(({ own }) => !own)];
    this.#stylesOf = model;
    this.dispatchEvent(new Event("styles"));
  }

  async #changeModel() {
    try {
      await this.#loadStyles();
      const there = this.store.settings.styles.filter((id) =>
        this.styles.some((style) => style.id === id),
      );
      if (there.length === this.store.settings.styles.length) this.paint(false);
      else this.choose(there.length ? there : this.styles.slice(0, 1).map(({ id }) => id));
    } catch (error) {
      this.dispatchEvent(new CustomEvent("problem", { detail: error }));
    }
  }
}
