// @ts-check
/** Painting in this browser: what is asked for goes to a worker, and comes back as pictures. */
import { PaintError, cancelled, sentence } from "../errors.js";
import { ofGallery } from "./gallery.js";

/**
 * @typedef {import("../types").Look} Look
 * @typedef {import("../types").PaintOptions} PaintOptions
 * @typedef {import("../types").Painter} Painter
 * @typedef {import("../types").Painting} Painting
 * @typedef {import("../types").Photo} Photo
 * @typedef {import("../types").SaveOptions} SaveOptions
 * @typedef {import("../types").Site} Site
 * @typedef {import("../types").StyleInfo} StyleInfo
 */

/**
 * A call to the worker that has not been answered.
 *
 * @typedef {object} Open
 * @property {(value: any) => void} resolve
 * @property {(error: Error) => void} reject
 * @property {(share: number) => void} [watch]
 */

/** @implements {Painter} */
export class DevicePainter {
  /** @param {Site} site */
  constructor(site) {
    /** @type {"device"} */
    this.home = "device";
    this.site = site;
    /** @type {{info: StyleInfo, model: string | null}[]} */
    this._own = [];
    this._count = 0;
    /** @type {Map<number, Open>} */
    this._open = new Map();
    this._last = 0;
    this._worker = new Worker(new URL("../painting/worker.js", import.meta.url), {
      type: "module",
      name: "painting",
    });
    this._worker.onmessage = ({ data }) => this._answered(data);
    this._worker.onerror = () => this._failed();
    void this._call("open", { site, base: document.baseURI });
  }

  /**
   * @param {string} model
   * @returns {Promise<StyleInfo[]>}
   */
  async styles(model) {
    /** @type {{name: string, title: string, thumbnail: string}[]} */
    const gallery = await this._call("gallery", { model });
    const own = this._own.filter((each) => each.model === null || each.model === model);
    return [...own.map((each) => each.info), ...ofGallery(gallery)];
  }

  /**
   * @param {Blob} file
   * @param {string} name
   * @returns {Promise<StyleInfo>}
   */
  async addStyle(file, name) {
    this._count += 1;
    const id = `own-${this._count}`;
    const { title, thumbnail, model } = await this._call("addStyle", { id, file, name });
    const info = {
      id,
      title,
      thumbnail: thumbnail ? URL.createObjectURL(thumbnail) : NO_PICTURE,
      own: true,
      picture: model === null,
    };
    this._own.push({ info, model });
    return info;
  }

  /**
   * @param {string} id
   * @param {string} model
   * @param {number} styleSize
   * @returns {Promise<Blob>}
   */
  saveStyle(id, model, styleSize) {
    return this._call("saveStyle", { id, model, styleSize });
  }

  /**
   * Paint a picture to be shown. The newest one wins: one that still waits, or is large, ends with
   * an `AbortError` when another is asked for. So a slider need not cancel small ones, of which
   * some are then seen while it moves.
   *
   * @param {Photo} photo
   * @param {Look} look
   * @param {PaintOptions} options
   * @returns {Promise<Painting>}
   */
  async paint(photo, look, { size, preview = false, signal, watch }) {
    const start = performance.now();
    const bitmap = await this._call("paint", { photo, look, size, preview }, { signal, watch });
    return { bitmap, seconds: (performance.now() - start) / 1000 };
  }

  /**
   * @param {Photo} photo
   * @param {Look} look
   * @param {SaveOptions} options
   * @returns {Promise<Blob>}
   */
  save(photo, look, { signal, watch, ...options }) {
    return this._call("save", { photo, look, options }, { signal, watch });
  }

  /**
   * @param {ImageBitmap} frame
   * @param {Look} look
   * @returns {Promise<ImageBitmap>}
   */
  paintFrame(frame, look) {
    return this._call("frame", { frame, look }, { transfer: [frame] });
  }

  /** @param {Photo} photo */
  forget(photo) {
    void this._call("forget", { photo: photo.id });
  }

  /**
   * @param {string} call
   * @param {object} given
   * @param {{signal?: AbortSignal, watch?: (share: number) => void, transfer?: Transferable[]}}
   *   [options]
   * @returns {Promise<any>}
   */
  _call(call, given, { signal, watch, transfer = [] } = {}) {
    this._last += 1;
    const id = this._last;
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(aborted());
        return;
      }
      const stop = () => {
        this._worker.postMessage({ cancel: id });
        this._open.delete(id);
        reject(aborted());
      };
      signal?.addEventListener("abort", stop, { once: true });
      const done = () => signal?.removeEventListener("abort", stop);
      this._open.set(id, {
        resolve: (value) => (done(), resolve(value)),
        reject: (error) => (done(), reject(error)),
        watch,
      });
      this._worker.postMessage({ id, call, given }, transfer);
    });
  }

  /** @param {{id: number, share?: number, value?: any, error?: {name: string, message: string}}} data */
  _answered({ id, share, value, error }) {
    const open = this._open.get(id);
    if (open === undefined) {
      if (value instanceof ImageBitmap) value.close(); // nobody waits for it any more
      return;
    }
    if (share !== undefined) {
      open.watch?.(share);
      return;
    }
    this._open.delete(id);
    if (error === undefined) open.resolve(value);
    else open.reject(errorOf(error));
  }

  _failed() {
    const error = new PaintError(
      "Painting in this browser has stopped: reload the page.",
    );
    for (const open of this._open.values()) open.reject(error);
    this._open.clear();
  }
}

/** The picture of a style that came without one: a plain square. */
const NO_PICTURE =
  "data:image/svg+xml," +
  encodeURIComponent(
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><path fill="#9a8f80" ' +
      'd="M0 0h8v8H0z"/><path fill="none" stroke="#f4efe6" stroke-linecap="round" ' +
      'd="M2 5.500q1-3 2-1.500t2-1.500"/></svg>',
  );

/**
 * An error of the worker, as the page throws it.
 *
 * @param {{name: string, message: string}} found
 * @returns {Error}
 */
function errorOf({ name, message }) {
  const error = new Error(message);
  error.name = name;
  return cancelled(error) ? aborted() : new PaintError(sentence(error));
}

/** @returns {Error} */
function aborted() {
  return new DOMException("The work was ended.", "AbortError");
}
