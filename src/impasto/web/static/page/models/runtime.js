// @ts-check
/**
 * ONNX Runtime in the browser: which build runs the graphs, and with how many threads.
 *
 * The build for processors (WebAssembly with SIMD) is a quarter of the size of the one for graphics
 * cards, which is fetched only where there is such a card.
 */
import { PaintError } from "../errors.js";

/**
 * @typedef {import("onnxruntime-web").InferenceSession} Session
 * @typedef {import("onnxruntime-web").Tensor} Tensor
 * @typedef {typeof import("onnxruntime-web")} Library
 * @typedef {import("../types").SiteModel} SiteModel
 * @typedef {"fp32" | "int8"} Precision
 */

/** More threads than these bring nothing: the largest layers are small. */
const MOST_THREADS = 4;

/** A build of ONNX Runtime that has been loaded. */
export class Runtime {
  /**
   * @param {Library} library
   * @param {"wasm" | "webgpu"} provider
   * @param {number} threads
   */
  constructor(library, provider, threads) {
    this.library = library;
    /** Which part of it computes. */
    this.provider = provider;
    this.threads = threads;
  }

  /**
   * Load a graph.
   *
   * @param {Uint8Array} graph the bytes of an ONNX file
   * @returns {Promise<Session>}
   */
  open(graph) {
    return this.library.InferenceSession.create(graph, {
      executionProviders: [this.provider],
      graphOptimizationLevel: "all",
      // As in models/onnxruntime.py: tiles have few sizes, pictures have many, and memory that was
      // laid out for each of them would never be given back.
      enableMemPattern: false,
      logSeverityLevel: 4,
    });
  }

  /**
   * The precision that a model paints in: on a processor int8, where it has such a decoder, since
   * that is half as large and faster in WebAssembly. Cards have no instructions for it.
   *
   * @param {SiteModel} model
   * @returns {Precision}
   */
  precision(model) {
    return this.provider === "wasm" && model.decoder_int8 ? "int8" : "fp32";
  }

  /**
   * A tensor of numbers that are not copied until a graph runs.
   *
   * @param {Float32Array} data
   * @param {number[]} shape
   * @returns {Tensor}
   */
  tensor(data, shape) {
    return new this.library.Tensor("float32", data, shape);
  }
}

/**
 * Load the build of ONNX Runtime that suits this browser.
 *
 * @param {{wasm: string, webgpu: string | null}} builds address of the module of each build, beside
 *   which its other files lie
 * @param {{software?: boolean}} [options] `software`: whether an adapter that computes on the
 *   processor will do for the second build, which is correct but slow
 * @returns {Promise<Runtime>}
 */
export async function openRuntime(builds, { software = false } = {}) {
  if (builds.webgpu !== null && (await hasAdapter(software))) {
    try {
      return await load(builds.webgpu, "webgpu");
    } catch {
      // The other build computes the same.
    }
  }
  try {
    return await load(builds.wasm, "wasm");
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new PaintError(`ONNX Runtime could not be loaded (${reason}): reload the page.`);
  }
}

/**
 * How many threads may compute: several share their memory, which browsers allow isolated pages.
 *
 * @returns {number}
 */
export function threadCount() {
  if (!globalThis.crossOriginIsolated) return 1;
  return Math.max(1, Math.min(MOST_THREADS, navigator.hardwareConcurrency || 1));
}

/**
 * @param {string} address
 * @param {"wasm" | "webgpu"} provider
 */
async function load(address, provider) {
  const library = /** @type {Library} */ (await import(address));
  const threads = threadCount();
  library.env.logLevel = "fatal";
  library.env.wasm.wasmPaths = new URL(".", address).href;
  library.env.wasm.numThreads = threads;
  return new Runtime(library, provider, threads);
}

/**
 * Whether there is a graphics card to compute with.
 *
 * @param {boolean} software whether one that is none will do
 */
async function hasAdapter(software) {
  const gpu = /** @type {any} */ (navigator).gpu;
  if (!gpu) return false;
  try {
    const adapter = await gpu.requestAdapter();
    if (!adapter) return false;
    const info = adapter.info ?? {};
    const imitated = info.isFallbackAdapter ?? adapter.isFallbackAdapter ?? false;
    const named = `${info.architecture ?? ""} ${info.device ?? ""} ${info.description ?? ""}`;
    return software || !(imitated || /swiftshader|llvmpipe|software/i.test(named));
  } catch {
    return false; // a browser that has the interface and forbids it
  }
}
