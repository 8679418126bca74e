// @ts-check
/** Painting by the machine behind the page: what is asked for goes there, and comes back. */
import { needsPicture } from "../controls/color/index.js";
import { PaintError, cancelled } from "../errors.js";
import { readStyle } from "../models/style_file.js";
import { formOf, jsonOf, lookFields } from "./fields.js";
import { ofGallery } from "./gallery.js";
import { LiveFrames } from "./live_frames.js";

/**
 * @typedef {import("../types").Look} Look
 * @typedef {import("../types").PaintOptions} PaintOptions
 * @typedef {import("../types").Painter} Painter
 * @typedef {import("../types").Painting} Painting
 * @typedef {import("../types").Photo} Photo
 * @typedef {import("../types").SaveOptions} SaveOptions
 * @typedef {import("../types").Site} Site
 * @typedef {import("../types").SiteStyle} SiteStyle
 * @typedef {import("../types").StyleInfo} StyleInfo
 * @typedef {import("./fields.js").Field} Field
 */

/** JPEG of a preview that is sent, and of a picture that is shown. */
const SENT = 0.92;
const SHOWN = "95";

const THUMBNAIL_SIDE = 160;

/** Times that a server which has no place is asked again, and the longest wait in between. */
const TRIES = 6;
const PATIENCE_MS = 5000;

/**
 * A style that the user brought.
 *
 * @typedef {object} Own
 * @property {StyleInfo} info
 * @property {Blob} file
 * @property {string} name of the file
 * @property {string | null} model identity of the one model that it is for; null for a picture
 */

/** @implements {Painter} */
export class ServerPainter {
  /** @param {Site} site */
  constructor(site) {
    /** @type {"server"} */
    this.home = "server";
    this.site = site;
    /** @type {Own[]} */
    this._own = [];
    /** Style files of own pictures, by style, model and size. @type {Map<string, Promise<Blob>>} */
    this._read = new Map();
    /** Photographs as they are sent for previews. @type {Map<string, Promise<Blob>>} */
    this._reduced = new Map();
    this._frames = new LiveFrames();
    /** @type {{look: Look, text: Promise<string>} | null} */
    this._frameLook = null;
    /** What is painted to be shown; and the newest of those that wait for it. */
    /** @type {{whole: boolean, stop: AbortController} | null} */
    this._painting = null;
    /** @type {{start: () => void, end: () => void} | null} */
    this._next = null;
  }

  /**
   * @param {string} model
   * @returns {Promise<StyleInfo[]>}
   */
  async styles(model) {
    const row = this.site.models.find((each) => each.name === model);
    if (row === undefined) throw new PaintError(`This server has no model ${model}.`);
    /** @type {SiteStyle[]} */
    const gallery = await (await ask(row.styles)).json();
    const own = this._own.filter((each) => each.model === null || each.model === row.identity);
    return [...own.map((each) => each.info), ...ofGallery(gallery)];
  }

  /**
   * @param {Blob} file
   * @param {string} name
   * @returns {Promise<StyleInfo>}
   */
  async addStyle(file, name) {
    this._checkSize(file, name);
    const found = await this._thumbnailOf(file, name);
    const info = {
      id: `own-${this._own.length + 1}`,
      title: name.replace(/\.[^.]+$/, "") || name,
      thumbnail: found.thumbnail ? URL.createObjectURL(found.thumbnail) : "icon.svg",
      own: true,
      picture: found.model === null,
    };
    this._own.push({ info, file, name, model: found.model });
    return info;
  }

  /**
   * @param {string} id
   * @param {string} model
   * @param {number} styleSize
   * @returns {Promise<Blob>}
   */
  saveStyle(id, model, styleSize) {
    return this._styleFile(id, model, styleSize);
  }

  /**
   * Paint a picture to be shown. The newest wins: one that still waits, or is of full size, ends
   * with an `AbortError` when another is asked for.
   *
   * @param {Photo} photo
   * @param {Look} look
   * @param {PaintOptions} options
   * @returns {Promise<Painting>}
   */
  async paint(photo, look, { size, preview = false, signal, watch }) {
    const start = performance.now();
    const stop = new AbortController();
    const ended = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
    await this._turn({ whole: !preview, stop }, signal);
    try {
      watch?.(0);
      const fields = await this._fields(photo, look, size, { preview });
      const opaque = photo.file.type === "image/jpeg";
      fields.push(["format", opaque ? "jpeg" : "png"], ["quality", SHOWN]);
      const answer = await send("api/stylize", fields, ended);
      const bitmap = await createImageBitmap(await answer.blob());
      watch?.(1);
      return { bitmap, seconds: (performance.now() - start) / 1000 };
    } finally {
      this._painting = null;
      this._next?.start();
    }
  }

  /**
   * @param {Photo} photo
   * @param {Look} look
   * @param {SaveOptions} options
   * @returns {Promise<Blob>}
   */
  async save(photo, look, { size, signal, watch, format, quality }) {
    watch?.(0);
    const fields = await this._fields(photo, look, size);
    fields.push(["format", format], ["quality", String(quality)]);
    const answer = await send("api/stylize", fields, signal);
    const blob = await answer.blob();
    watch?.(1);
    return blob;
  }

  /**
   * @param {ImageBitmap} frame
   * @param {Look} look
   * @returns {Promise<ImageBitmap>}
   */
  async paintFrame(frame, look) {
    if (this._frameLook?.look !== look) {
      const text = this._styleFields(look).then(async (styles) =>
        jsonOf(await lookFields(look, styles)),
      );
      this._frameLook = { look, text };
    }
    try {
      return await this._frames.paint(frame, await this._frameLook.text);
    } catch (error) {
      frame.close();
      throw error;
    }
  }

  /** @param {Photo} photo */
  forget(photo) {
    for (const key of this._reduced.keys()) {
      if (key.startsWith(`${photo.id}/`)) this._reduced.delete(key);
    }
  }

  /**
   * Wait until nothing else is painted to be shown.
   *
   * @param {{whole: boolean, stop: AbortController}} painting
   * @param {AbortSignal} [signal]
   * @returns {Promise<void>}
   */
  async _turn(painting, signal) {
    signal?.throwIfAborted();
    this._next?.end();
    if (this._painting?.whole) this._painting.stop.abort();
    if (this._painting !== null) {
      await new Promise((/** @type {(value: void) => void} */ resolve, reject) => {
        const end = () => {
          if (this._next === next) this._next = null;
          reject(new DOMException("The work was ended.", "AbortError"));
        };
        const next = {
          start: () => {
            this._next = null;
            signal?.removeEventListener("abort", end);
            this._painting = painting; // at once, so that nobody else is first
            resolve();
          },
          end,
        };
        this._next = next;
        signal?.addEventListener("abort", end, { once: true });
      });
    } else {
      this._painting = painting;
    }
  }

  /**
   * The fields of a picture that shall be painted.
   *
   * @param {Photo} photo
   * @param {Look} look
   * @param {number | null} size
   * @param {{preview?: boolean}} [options] preview: the photograph is reduced before it is sent;
   *   else the file itself is sent, with its metadata
   * @returns {Promise<Field[]>}
   */
  async _fields(photo, look, size, { preview = false } = {}) {
    const side = Math.min(photo.width, photo.height);
    const fields = await lookFields(look, await this._styleFields(look));
    if (preview && size !== null && size < side) {
      fields.push(["content", await this._preview(photo, size), photo.name]);
      return fields;
    }
    this._checkSize(photo.file, photo.name);
    fields.push(["content", photo.file, photo.name]);
    if (size !== null && size !== side) fields.push(["size", String(size)]);
    return fields;
  }

  /**
   * A photograph reduced to a size, as it is sent for previews.
   *
   * @param {Photo} photo
   * @param {number} size shorter side
   * @returns {Promise<Blob>}
   */
  _preview(photo, size) {
    const key = `${photo.id}/${size}`;
    let found = this._reduced.get(key);
    if (found === undefined) {
      const scale = size / Math.min(photo.width, photo.height);
      found = reduced(photo.file, photo.width * scale, photo.height * scale, photo.name);
      this._reduced.set(key, found);
      found.catch(() => this._reduced.delete(key));
    }
    return found;
  }

  /**
   * @param {Look} look
   * @returns {Promise<Field[]>}
   */
  _styleFields({ styles, model, styleSize, color }) {
    return Promise.all(
      styles.map(async (/** @type {string} */ id) => {
        const own = this._own.find((each) => each.info.id === id);
        /** @type {Field} */
        let field = ["style", id];
        if (own !== undefined) {
          const whole = own.model !== null || needsPicture(color);
          const file = whole ? own.file : await this._styleFile(id, model, styleSize);
          field = ["style", file, whole ? own.name : `${own.info.title}.safetensors`];
        }
        return field;
      }),
    );
  }

  /**
   * The style file of a style, which is made once.
   *
   * @param {string} id
   * @param {string} model
   * @param {number} styleSize
   * @returns {Promise<Blob>}
   */
  _styleFile(id, model, styleSize) {
    const key = `${id}/${model}/${styleSize}`;
    let found = this._read.get(key);
    if (found === undefined) {
      const own = this._own.find((each) => each.info.id === id);
      /** @type {Field[]} */
      const fields = [
        own ? ["style", own.file, own.name] : ["style", id],
        ["model", model],
        ["style_size", String(styleSize)],
      ];
      found = send("api/styles", fields).then((answer) => answer.blob());
      this._read.set(key, found);
      found.catch(() => this._read.delete(key));
    }
    return found;
  }

  /**
   * @param {Blob} file
   * @param {string} name
   * @returns {Promise<{thumbnail: Blob | null, model: string | null}>}
   */
  async _thumbnailOf(file, name) {
    const head = new Uint8Array(await file.slice(0, 9).arrayBuffer());
    if (head[8] === "{".charCodeAt(0)) {
      const style = readStyle(new Uint8Array(await file.arrayBuffer()), name);
      if (!this.site.models.some((each) => each.identity === style.model)) {
        throw new PaintError(`${name} is a style for a model that this server does not have.`);
      }
      const bytes = style.thumbnail;
      const picture = bytes === null ? null : new Blob([/** @type {BlobPart} */ (bytes)]);
      return { thumbnail: picture, model: style.model };
    }
    try {
      const picture = await createImageBitmap(file);
      const scale = THUMBNAIL_SIDE / Math.min(picture.width, picture.height);
      const [width, height] = [picture.width * scale, picture.height * scale];
      picture.close();
      return { thumbnail: await reduced(file, width, height, name), model: null };
    } catch {
      return { thumbnail: null, model: null }; // the server reads more formats than browsers do
    }
  }

  /**
   * @param {Blob} file
   * @param {string} name
   */
  _checkSize(file, name) {
    const most = this.site.limits.bytes;
    if (most === null || file.size <= most) return;
    const [has, takes] = [file.size, most].map((bytes) => (bytes / 1e6).toFixed(1));
    throw new PaintError(`${name} has ${has} MB, and this server accepts ${takes} MB at most.`);
  }
}

/**
 * A picture scaled down: a JPEG if it is one, else a PNG, which keeps what is transparent.
 *
 * @param {Blob} file
 * @param {number} width
 * @param {number} height
 * @param {string} name
 * @returns {Promise<Blob>}
 */
async function reduced(file, width, height, name) {
  let bitmap;
  try {
    // Whole: with an EXIF orientation browsers do not agree which side resizing means.
    bitmap = await createImageBitmap(file);
  } catch {
    throw new PaintError(`${name} cannot be read by this browser: save it as JPEG or PNG.`);
  }
  const size = [width, height].map((side) => Math.max(1, Math.round(side)));
  const canvas = new OffscreenCanvas(size[0], size[1]);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, size[0], size[1]);
  bitmap.close();
  const type = file.type === "image/jpeg" ? "image/jpeg" : "image/png";
  return canvas.convertToBlob({ type, quality: SENT });
}

/**
 * Send a form, again where all places are taken.
 *
 * @param {string} address
 * @param {Field[]} fields
 * @param {AbortSignal} [signal]
 * @returns {Promise<Response>}
 */
async function send(address, fields, signal) {
  for (let tries = 1; ; tries += 1) {
    const answer = await asked(address, { method: "POST", body: formOf(fields), signal });
    if (answer.ok) return answer;
    if (answer.status !== 503 || tries === TRIES) throw await refusal(answer);
    const seconds = Number(answer.headers.get("Retry-After")) || 1;
    await pause(Math.min(1000 * seconds, PATIENCE_MS), signal);
  }
}

/**
 * @param {string} address
 * @returns {Promise<Response>}
 */
async function ask(address) {
  const answer = await asked(address, {});
  if (!answer.ok) throw await refusal(answer);
  return answer;
}

/**
 * @param {string} address
 * @param {RequestInit} options
 * @returns {Promise<Response>}
 */
async function asked(address, options) {
  try {
    return await fetch(new URL(address, document.baseURI), options);
  } catch (error) {
    if (cancelled(error)) throw error;
    throw new PaintError(`The machine at ${location.host} does not answer: is impasto serve running?`);
  }
}

/**
 * The line with which a server refuses, as a sentence.
 *
 * @param {Response} answer
 * @returns {Promise<PaintError>}
 */
async function refusal(answer) {
  let line = "";
  try {
    line = (await answer.json()).error;
  } catch {
    line = `the server answered with status ${answer.status}`;
  }
  return new PaintError(`${line.charAt(0).toUpperCase()}${line.slice(1)}.`);
}

/**
 * @param {number} milliseconds
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      reject(new DOMException("The work was ended.", "AbortError"));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", end);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", end, { once: true });
  });
}
