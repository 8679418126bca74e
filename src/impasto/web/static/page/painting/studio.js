// @ts-check
/**
 * Models, styles and photographs, kept as long as they are likely to be asked for again, and what
 * is done with them. Lives in the worker.
 */
import { PaintError } from "../errors.js";
import { needsModel, needsPicture } from "../controls/color/index.js";
import { MIN_SIDE } from "../controls/coarse.js";
import { decodePixels } from "../images/decoding.js";
import { encode, withMetadata } from "../images/encoding.js";
import { scaledSize } from "../images/resizing.js";
import { FloatSource, PixelSource } from "../images/windows.js";
import { Model, fetchBytes, isOutOfMemory } from "../models/model.js";
import { openRuntime } from "../models/runtime.js";
import { fromBase64, readStyle, styleBytes } from "../models/style_file.js";
import { collected, paintPixels, part, styleMoments, styleSource } from "./adain.js";
import { Kept } from "./kept.js";
import { paintPalette } from "./palette.js";
import { featureBytes } from "./plan.js";
import { scaled } from "./survey.js";

/**
 * @typedef {import("../types").Look} Look
 * @typedef {import("../types").Moments} Moments
 * @typedef {import("../types").Photo} Photo
 * @typedef {import("../types").Pixels} Pixels
 * @typedef {import("../types").Plane} Plane
 * @typedef {import("../types").Site} Site
 * @typedef {import("../types").SiteModel} SiteModel
 * @typedef {import("../types").SiteStyle} SiteStyle
 * @typedef {import("../types").Source} Source
 * @typedef {import("../models/runtime.js").Runtime} Runtime
 * @typedef {import("../models/style_file.js").StyleFile} StyleFile
 * @typedef {import("./adain.js").StyleValue} StyleValue
 * @typedef {import("./tiles.js").Content} Content
 * @typedef {import("./tiles.js").Watch} Watch
 */

/**
 * A style that the user brought: a picture, or a style file.
 *
 * @typedef {object} OwnStyle
 * @property {string} title
 * @property {string} name of its file
 * @property {Blob | null} picture
 * @property {StyleFile | null} file
 */

/** Bytes of pixels, and of features, that are kept beside what is being worked on. */
const PIXELS_KEPT = 100_000_000;
const FEATURES_KEPT = 100_000_000;

/** Bytes of pictures of styles, for color methods that need them. */
const PICTURES_KEPT = 20_000_000;

/** A result of more pixels is not kept: it would crowd out what painting needs. */
const RESULT_PIXELS = 16_000_000;

/** Side of the picture that stands for a style, in pixels. */
const THUMBNAIL_SIDE = 160;

/** Longer side of the one in a style file, as styles/style.py has it. */
const STORED_SIDE = 128;

/** Share of the progress that fetching a model takes, where it is not there yet. */
const FETCHING_SHARE = 0.3;

export class Studio {
  /**
   * @param {Site} site
   * @param {string} base what its addresses are relative to
   */
  constructor(site, base) {
    this._site = site;
    this._base = base;
    /** @type {Promise<Runtime> | null} */
    this._runtime = null;
    /** @type {Map<string, Promise<Model>>} */
    this._models = new Map();
    /** @type {Map<string, Promise<SiteStyle[]>>} */
    this._galleries = new Map();
    /** @type {Map<string, OwnStyle>} */
    this._own = new Map();
    /** @type {Map<string, Moments[]>} */
    this._moments = new Map();
    /** @type {Kept<{picture: Source, matched: Map<string, Moments[]>}>} */
    this._pictures = new Kept(PICTURES_KEPT);
    /** @type {Kept<Source>} */
    this._photographs = new Kept(PIXELS_KEPT);
    /** @type {Kept<Content>} */
    this._contents = new Kept(FEATURES_KEPT);
    /** @type {{key: string, pixels: Pixels} | null} the last picture that was painted */
    this._last = null;
  }

  /**
   * The styles of a model's gallery, without their files.
   *
   * @param {string} model
   * @returns {Promise<{name: string, title: string, thumbnail: string}[]>}
   */
  async gallery(model) {
    const styles = await this._gallery(model);
    return styles.map(({ name, title, thumbnail }) => ({ name, title, thumbnail }));
  }

  /**
   * Take a picture, or a style file, as a style.
   *
   * @param {string} id that it gets
   * @param {Blob} file
   * @param {string} name of the file
   * @returns {Promise<{title: string, thumbnail: Blob | null, model: string | null}>} the model that
   *   a style file was made for; null: a picture goes with all of them
   */
  async addStyle(id, file, name) {
    const title = name.replace(/\.[^.]*$/, "");
    if (/\.safetensors$/i.test(name)) {
      const style = readStyle(new Uint8Array(await file.arrayBuffer()), name);
      const row = this._site.models.find((each) => each.identity === style.model);
      if (row === undefined) throw new PaintError(otherModel(name, style));
      this._own.set(id, { title, name, picture: null, file: style });
      const { thumbnail } = style;
      const blob = thumbnail && new Blob([new Uint8Array(thumbnail)]);
      return { title: style.name || title, thumbnail: blob, model: row.name };
    }
    const pixels = await decodePixels(file, null);
    checkSide(pixels, name);
    if (pixels.data.every((value, i) => i % 4 !== 3 || value === 0)) {
      throw new PaintError(`${name} is fully transparent, so it has no style.`);
    }
    this._own.set(id, { title, name, picture: file, file: null });
    const small = await decodePixels(file, Math.min(THUMBNAIL_SIDE, pixels.width, pixels.height));
    return { title, thumbnail: await encode(onWhite(small), "webp", 80), model: null };
  }

  /**
   * The style file of a style for a model.
   *
   * @param {string} id
   * @param {string} modelName
   * @param {number} styleSize
   * @returns {Promise<Blob>}
   */
  async saveStyle(id, modelName, styleSize) {
    const own = this._own.get(id);
    const model = await this._model(modelName);
    if (own?.picture) {
      const moments = await this._readMoments(id, own, model, styleSize);
      const style = { name: own.name, model: model.identity, moments, modelName, note: "" };
      const thumbnail = await styleThumbnail(own.picture);
      return new Blob([new Uint8Array(styleBytes({ ...style, thumbnail }))]);
    }
    const style = own?.file ?? (await this._galleryStyle(id, modelName));
    if (style.model !== model.identity) throw new PaintError(otherModel(own?.name ?? id, style));
    return new Blob([new Uint8Array(styleBytes(style))]);
  }

  /**
   * Paint a photograph.
   *
   * @param {Photo} photo
   * @param {Look} look
   * @param {{size: number | null, preview?: boolean}} options `size`: shorter side of the result;
   *   null: the photograph's
   * @param {Watch} watch
   * @returns {Promise<Pixels>} which are kept, and must not be changed
   */
  async paint(photo, look, { size, preview = false }, watch) {
    const whole = size === null || size === Math.min(photo.width, photo.height);
    const place = `${photo.id} ${whole ? "" : `${size}${preview ? " preview" : ""}`}`;
    const key = `${place} ${lookKey(look)}`;
    if (this._last?.key === key) return this._last.pixels;
    this._last = null;
    const fetching = this._models.has(look.model) || !needsModel(look.color) ? 0 : FETCHING_SHARE;
    if (fetching > 0) await this._model(look.model, part(watch, 0, fetching));
    const source = await this._photograph(place, photo, whole ? null : size, preview);
    await watch(fetching);
    const rest = part(watch, fetching, 1);
    const result = await this._painted(source, look, rest, `${place} ${look.model}`);
    if (result.width * result.height <= RESULT_PIXELS) this._last = { key, pixels: result };
    return result;
  }

  /**
   * Paint a photograph and make a file of it, with the metadata of the photograph.
   *
   * @param {Photo} photo
   * @param {Look} look
   * @param {{size: number | null, format: "png" | "jpeg" | "webp", quality: number}} options
   * @param {Watch} watch
   * @returns {Promise<Blob>}
   */
  async save(photo, look, { size, format, quality }, watch) {
    const pixels = await this.paint(photo, look, { size }, watch);
    await watch(1);
    return withMetadata(await encode(pixels, format, quality), photo.file);
  }

  /**
   * Paint a frame of a camera or a film.
   *
   * @param {Pixels} frame
   * @param {Look} look
   * @returns {Promise<Pixels>}
   */
  async paintFrame(frame, look) {
    return this._painted(new PixelSource(frame), look);
  }

  /**
   * @param {Source} source
   * @param {Look} look
   * @param {Watch} [watch]
   * @param {string | null} [key] under which the encoded photograph is kept; null: it is not
   * @returns {Promise<Pixels>}
   */
  async _painted(source, look, watch, key = null) {
    if (!needsModel(look.color)) {
      const pictures = [];
      for (const id of look.styles) pictures.push((await this._picture(id, look)).picture);
      return collected(paintPalette(source, pictures, look, watch), source);
    }
    const model = await this._model(look.model);
    const matching = needsPicture(look.color);
    /** @type {StyleValue[]} */
    const styles = [];
    for (const id of look.styles) {
      styles.push(matching ? await this._picture(id, look) : await this._kept(id, look, model));
    }
    return paintPixels(model, source, styles, look, {
      content: key === null ? null : this._contents.get(key),
      keep: (content) => key !== null && this._contents.set(key, content, heldBytes(content)),
      watch,
      held: this._photographs.held + this._contents.held + 4 * source.width * source.height,
    });
  }

  /**
   * Let go of what is kept of a photograph.
   *
   * @param {string} id
   */
  forget(id) {
    const own = (/** @type {string} */ key) => key.startsWith(`${id} `);
    this._photographs.forget(own);
    this._contents.forget(own);
    if (this._last && own(this._last.key)) this._last = null;
  }

  /**
   * @param {string} name
   * @returns {SiteModel}
   */
  _row(name) {
    const row = this._site.models.find((each) => each.name === name);
    if (row) return row;
    const names = this._site.models.map((each) => each.name).join(", ");
    throw new PaintError(`This page has no model '${name}'; it has ${names}.`);
  }

  /**
   * @param {string} name
   * @param {Watch} [watch]
   * @returns {Promise<Model>}
   */
  async _model(name, watch) {
    const row = this._row(name);
    const found = this._models.get(name) ?? this._openModel(row, watch);
    this._models.set(name, found);
    try {
      return await found;
    } catch (error) {
      this._models.delete(name); // fetched again when it is asked for again
      throw error;
    }
  }

  /**
   * @param {SiteModel} row
   * @param {Watch} [watch]
   */
  async _openModel(row, watch) {
    if (this._runtime === null) {
      const { wasm = "", webgpu = null } = this._site.runtime ?? {};
      const at = (/** @type {string} */ address) => new URL(address, this._base).href;
      this._runtime = openRuntime({ wasm: at(wasm), webgpu: webgpu && at(webgpu) });
      this._runtime.catch(() => {
        this._runtime = null;
      });
    }
    const runtime = await this._runtime;
    return Model.open(row, this._base, runtime, (share) => void watch?.(share));
  }

  /**
   * @param {string} model
   * @returns {Promise<SiteStyle[]>}
   */
  async _gallery(model) {
    const address = new URL(this._row(model).styles, this._base).href;
    let found = this._galleries.get(model);
    if (found === undefined) {
      found = fetchBytes(address).then((data) => JSON.parse(new TextDecoder().decode(data)));
      this._galleries.set(model, found);
      found.catch(() => this._galleries.delete(model));
    }
    return found;
  }

  /**
   * @param {string} name
   * @param {string} model
   * @returns {Promise<StyleFile>}
   */
  async _galleryStyle(name, model) {
    const row = (await this._gallery(model)).find((each) => each.name === name);
    if (row === undefined || row.file === null) {
      throw new PaintError(`There is no style '${name}' for the model '${model}'.`);
    }
    return readStyle(fromBase64(row.file), name);
  }

  /**
   * The picture of a style, for color methods that change it first.
   *
   * @param {string} id
   * @param {Look} look
   * @returns {Promise<{picture: Source, matched: Map<string, Moments[]>}>}
   */
  async _picture(id, { model, color, styleSize }) {
    const own = this._own.get(id);
    if (!own?.picture) {
      const row = (await this._gallery(model)).find((each) => each.name === id);
      throw new PaintError(
        `The color method '${color}' needs the style's picture, and the picture of '` +
          `${own?.title ?? row?.title ?? id}' is not here: choose 'luminance', or add the picture.`,
      );
    }
    const key = `${id} ${styleSize}`;
    let found = this._pictures.get(key);
    if (found === null) {
      found = { picture: await stylePicture(own, styleSize), matched: new Map() };
      const { height, width } = found.picture;
      this._pictures.set(key, found, 12 * height * width);
    }
    return found;
  }

  /**
   * A style by its moments.
   *
   * @param {string} id
   * @param {Look} look
   * @param {Model} model
   * @returns {Promise<StyleValue>}
   */
  async _kept(id, look, model) {
    const own = this._own.get(id);
    if (own?.picture) return { moments: await this._readMoments(id, own, model, look.styleSize) };
    const key = `${id} ${model.identity}`;
    let moments = this._moments.get(key);
    if (moments === undefined) {
      const style = own?.file ?? (await this._galleryStyle(id, look.model));
      if (style.model !== model.identity) throw new PaintError(otherModel(own?.name ?? id, style));
      moments = style.moments;
      this._moments.set(key, moments);
    }
    return { moments };
  }

  /**
   * The moments of a picture that the user brought, read once for each size.
   *
   * @param {string} id
   * @param {OwnStyle} own
   * @param {Model} model
   * @param {number} size
   * @returns {Promise<Moments[]>}
   */
  async _readMoments(id, own, model, size) {
    const key = `${id} ${model.identity} ${size}`;
    let moments = this._moments.get(key);
    if (moments === undefined) {
      try {
        moments = await styleMoments(model, await stylePicture(own, size));
      } catch (error) {
        if (!isOutOfMemory(error)) throw error;
        throw new PaintError(
          `A style of ${size} pixels needs more memory than this browser allows: choose a smaller ` +
            "style size.",
        );
      }
      this._moments.set(key, moments);
    }
    return moments;
  }

  /**
   * @param {string} key
   * @param {Photo} photo
   * @param {number | null} size
   * @param {boolean} preview
   * @returns {Promise<Source>}
   */
  async _photograph(key, photo, size, preview) {
    const known = this._photographs.get(key);
    if (known) return known;
    let source;
    if (size === null || preview) {
      // For a preview the browser's own way of reducing will do: it is the quickest.
      const pixels = await decodePixels(photo.file, size);
      checkSide(pixels, photo.name);
      source = new PixelSource(pixels);
      this._photographs.set(key, source, pixels.data.length);
    } else {
      const whole = await this._photograph(`${photo.id} `, photo, null, false);
      const { height, width } = scaledSize(whole.height, whole.width, size);
      checkSide({ height, width }, photo.name);
      const reduced = scaled(whole, height, width);
      const floats = reduced.window({ start: 0, stop: height }, { start: 0, stop: width });
      source = new FloatSource(floats);
      this._photographs.set(key, source, floats.image.byteLength + (floats.alpha?.byteLength ?? 0));
    }
    return source;
  }
}

/**
 * Bytes that an encoded photograph holds.
 *
 * @param {Content} content
 */
function heldBytes({ features, shape, card }) {
  return features === null ? 0 : shape.height * shape.width * featureBytes(card);
}

/**
 * @param {OwnStyle} own
 * @param {number} size
 * @returns {Promise<Source>}
 */
async function stylePicture(own, size) {
  const pixels = await decodePixels(/** @type {Blob} */ (own.picture), null);
  return styleSource(new PixelSource(pixels), size);
}

/**
 * The picture of a style, small, as its file keeps it.
 *
 * @param {Blob} file
 * @returns {Promise<Uint8Array>}
 */
async function styleThumbnail(file) {
  const whole = await decodePixels(file, null);
  const longer = Math.max(whole.width, whole.height);
  const shorter = Math.min(whole.width, whole.height);
  const size = Math.max(1, Math.floor((shorter * Math.min(longer, STORED_SIDE)) / longer));
  const small = size === shorter ? whole : await decodePixels(file, size);
  const webp = await encode(onWhite(small), "webp", 80);
  return new Uint8Array(await webp.arrayBuffer());
}

/**
 * @param {Pixels} pixels
 * @returns {Pixels} opaque, white where they were transparent
 */
function onWhite({ width, height, data }) {
  const result = new Uint8ClampedArray(data.length);
  for (let i = 0; i < data.length; i += 4) {
    const alpha = data[i + 3] / 255;
    for (let c = i; c < i + 3; c++) result[c] = data[c] * alpha + 255 * (1 - alpha);
    result[i + 3] = 255;
  }
  return { width, height, data: result };
}

/**
 * Refuse a picture that is too small to be painted.
 *
 * @param {{width: number, height: number}} picture
 * @param {string} name
 */
function checkSide({ width, height }, name) {
  if (Math.min(width, height) >= MIN_SIDE) return;
  throw new PaintError(
    `${name} has ${width} x ${height} pixels: at least ${MIN_SIDE} x ${MIN_SIDE} are needed.`,
  );
}

/**
 * @param {string} name
 * @param {StyleFile} style
 */
function otherModel(name, style) {
  const made = style.modelName ? `'${style.modelName}' (${style.model})` : style.model;
  return `${name} was made for the model ${made}: add the picture that it was made from.`;
}

/**
 * All of a look as a text, masks and maps by a sum of their numbers.
 *
 * @param {Look} look
 */
function lookKey(look) {
  return JSON.stringify(look, (_, value) => (ArrayBuffer.isView(value) ? sumOf(value) : value));
}

/**
 * FNV-1a, of words of 32 bits.
 *
 * @param {ArrayBufferView} view of floats
 */
function sumOf({ buffer, byteOffset, byteLength }) {
  let sum = 0x811c9dc5;
  for (const word of new Uint32Array(buffer, byteOffset, byteLength / 4)) {
    sum = Math.imul(sum ^ word, 0x01000193);
  }
  return sum;
}
