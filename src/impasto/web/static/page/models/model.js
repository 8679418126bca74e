// @ts-check
/** A model: its card and its graphs, run by ONNX Runtime; see models/engine.py. */
import { PaintError } from "../errors.js";

/**
 * @typedef {import("../types").Affine} Affine
 * @typedef {import("../types").Card} Card
 * @typedef {import("../types").Moments} Moments
 * @typedef {import("../types").SiteModel} SiteModel
 * @typedef {import("./runtime.js").Precision} Precision
 * @typedef {import("./runtime.js").Runtime} Runtime
 * @typedef {import("./runtime.js").Session} Session
 * @typedef {import("./runtime.js").Tensor} Tensor
 */

/**
 * The features of one level: C maps of `height` x `width` positions, one after the other.
 *
 * @typedef {{channels: number, height: number, width: number, data: Float32Array}} Features
 */

/** Memory ran out: smaller tiles may do. */
export class MemoryError extends Error {
  /** @param {unknown} cause */
  constructor(cause) {
    super("there is not enough memory");
    this.name = "MemoryError";
    this.cause = cause;
  }
}

/** An encoder and a decoder, and the reader of styles, which is fetched when it is first needed. */
export class Model {
  /**
   * @param {Card} card
   * @param {string} identity styles are valid for one
   * @param {Precision} precision of its decoder
   * @param {Runtime} runtime
   * @param {Session} encoder
   * @param {Session} decoder
   * @param {() => Promise<Uint8Array>} fetchReader
   */
  constructor(card, identity, precision, runtime, encoder, decoder, fetchReader) {
    this.card = card;
    this.identity = identity;
    this.precision = precision;
    this._runtime = runtime;
    this._encoder = encoder;
    this._decoder = decoder;
    this._fetchReader = fetchReader;
    /** @type {Promise<Session> | null} */
    this._reader = null;
  }

  /**
   * Fetch a model and load its graphs.
   *
   * @param {SiteModel} row of `site.json`
   * @param {string} base what its addresses are relative to
   * @param {Runtime} runtime
   * @param {(share: number) => void} [watch] called with the share of the bytes that are there
   * @returns {Promise<Model>}
   */
  static async open(row, base, runtime, watch) {
    const at = (/** @type {string | null} */ address) => new URL(address ?? "", base).href;
    const shares = [0, 0];
    const watching = (/** @type {number} */ part) => (/** @type {number} */ share) => {
      shares[part] = share;
      watch?.((shares[0] + shares[1]) / 2);
    };
    const precision = runtime.precision(row);
    const [card, encoder, decoder] = await Promise.all([
      fetchBytes(at(row.card)),
      fetchBytes(at(row.encoder), watching(0)),
      fetchBytes(at(precision === "int8" ? row.decoder_int8 : row.decoder), watching(1)),
    ]);
    const fetchReader = () => fetchBytes(at(row.reader));
    const facts = JSON.parse(new TextDecoder().decode(card));
    const sessions = [await runtime.open(encoder), await runtime.open(decoder)];
    return new Model(facts, row.identity, precision, runtime, sessions[0], sessions[1], fetchReader);
  }

  /** Whether styles are read with a graph of their own, or used as their moments are. */
  get reads() {
    return this.card.reader_macs_512 > 0;
  }

  /**
   * Encode an image to features and their moments.
   *
   * @param {Float32Array} planes RGB in [0, 1], one plane after the other
   * @param {number} height a multiple of `card.multiple`
   * @param {number} width the same
   * @returns {Promise<{features: Features[], moments: Moments[]}>}
   */
  async encode(planes, height, width) {
    const feed = { image: this._runtime.tensor(planes, [1, 3, height, width]) };
    const found = await run(this._encoder, feed);
    const features = this.card.levels.map((level, i) => ({
      channels: level.channels,
      height: height / level.stride,
      width: width / level.stride,
      data: found[`features_${i}`],
    }));
    const moments = features.map((each, i) => ({
      mean: Float64Array.from(found[`mean_${i}`]),
      std: Float64Array.from(found[`std_${i}`]),
      count: each.height * each.width,
    }));
    return { features, moments };
  }

  /**
   * Decode features to an image, after `features * scale + shift` at every level.
   *
   * @param {Features[]} features
   * @param {Affine[]} affines one map a level
   * @returns {Promise<Float32Array>} RGB, one plane after the other, not clipped
   */
  async decode(features, affines) {
    /** @type {Record<string, Tensor>} */
    const feed = {};
    features.forEach(({ channels, height, width, data }, i) => {
      feed[`features_${i}`] = this._runtime.tensor(data, [1, channels, height, width]);
      for (const [name, values] of Object.entries(affines[i])) {
        const everywhere = values.length === channels;
        const shape = everywhere ? [1, channels, 1, 1] : [1, channels, height, width];
        feed[`${name}_${i}`] = this._runtime.tensor(values, shape);
      }
    });
    return (await run(this._decoder, feed)).image;
  }

  /**
   * Predict the moments that features are given for a style.
   *
   * @param {Float32Array} planes the style's picture, as for `encode`
   * @param {number} height of it
   * @param {number} width of it
   * @param {Moments[]} moments the style's own, one pair a level
   * @param {Float32Array} counts weight of each block of `card.multiple` pixels, 0 or more
   * @returns {Promise<Moments[]>}
   */
  async read(planes, height, width, moments, counts) {
    if (this._reader === null) {
      this._reader = this._fetchReader().then((graph) => this._runtime.open(graph));
      this._reader.catch(() => {
        this._reader = null; // fetched again when it is asked for again
      });
    }
    const reader = await this._reader;
    const { multiple } = this.card;
    /** @type {Record<string, Tensor>} */
    const feed = {
      image: this._runtime.tensor(planes, [1, 3, height, width]),
      counts: this._runtime.tensor(counts, [1, 1, height / multiple, width / multiple]),
    };
    moments.forEach(({ mean, std }, i) => {
      const shape = [1, mean.length, 1, 1];
      feed[`mean_${i}`] = this._runtime.tensor(Float32Array.from(mean), shape);
      feed[`std_${i}`] = this._runtime.tensor(Float32Array.from(std), shape);
    });
    const found = await run(reader, feed);
    return moments.map(({ count }, i) => ({
      mean: Float64Array.from(found[`wanted_mean_${i}`]),
      std: Float64Array.from(found[`wanted_std_${i}`]),
      count,
    }));
  }
}

/**
 * Fetch a file.
 *
 * @param {string} address
 * @param {(share: number) => void} [watch] called with the share that is there
 * @returns {Promise<Uint8Array>}
 */
export async function fetchBytes(address, watch) {
  try {
    const answer = await fetch(address);
    if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`.trim());
    const length = Number(answer.headers.get("Content-Length"));
    if (!watch || !length || !answer.body) return new Uint8Array(await answer.arrayBuffer());
    const parts = [];
    let count = 0;
    const reader = answer.body.getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      parts.push(part.value);
      count += part.value.length;
      watch(Math.min(1, count / length)); // a length of packed bytes is less than comes out
    }
    return new Uint8Array(await new Blob(parts).arrayBuffer());
  } catch (error) {
    const name = new URL(address).pathname.split("/").pop();
    const reason = error instanceof Error ? error.message : String(error);
    throw new PaintError(
      `The file ${name} could not be loaded (${reason}): check the connection and try again.`,
    );
  }
}

/**
 * Run a graph and take its outputs out of the memory of the engine.
 *
 * @param {Session} session
 * @param {Record<string, Tensor>} feed
 * @returns {Promise<Record<string, Float32Array>>}
 */
async function run(session, feed) {
  let outputs;
  try {
    outputs = await session.run(feed);
  } catch (error) {
    throw isOutOfMemory(error) ? new MemoryError(error) : error;
  } finally {
    for (const each of Object.values(feed)) each.dispose();
  }
  /** @type {Record<string, Float32Array>} */
  const found = {};
  for (const [name, tensor] of Object.entries(outputs)) {
    // On a processor they are copies already; on a graphics card they are fetched.
    found[name] = /** @type {Float32Array} */ (await tensor.getData(true));
  }
  return found;
}

/**
 * Whether an error says that there is no memory left.
 *
 * @param {unknown} error
 * @returns {boolean}
 */
export function isOutOfMemory(error) {
  if (error instanceof MemoryError || error instanceof RangeError) return true;
  const text = error instanceof Error ? error.message : String(error);
  return /bad_alloc|out of memory|allocat|memory access out of bounds|OOM/i.test(text);
}
