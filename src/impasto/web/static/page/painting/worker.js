// @ts-check
/**
 * The worker that paints: messages in, results out.
 *
 * The page sends `{id, call, given}` with a call of `CALLS`, and `{cancel: id}`. It gets
 * `{id, share}` while work goes on, and at last `{id, value}` or `{id, error: {name, message}}`.
 */
import { Job, Queue } from "./queue.js";
import { Studio } from "./studio.js";

/**
 * @typedef {import("../types").Pixels} Pixels
 * @typedef {import("./queue.js").Kind} Kind
 * @typedef {import("./tiles.js").Watch} Watch
 */

/** The worker itself, which the types of the page do not know. */
const scope = /** @type {MessagePort} */ (/** @type {unknown} */ (globalThis));

const queue = new Queue();

/** @type {Map<number, Job>} */
const jobs = new Map();

/** @type {Studio} */
let studio;

/**
 * What the page can ask for; `watch` is to be awaited.
 *
 * @type {Record<string, (given: any, watch: Watch) => Promise<unknown>>}
 */
const CALLS = {
  async open({ site, base }) {
    studio = new Studio(site, base);
  },
  gallery: ({ model }) => studio.gallery(model),
  addStyle: ({ id, file, name }) => studio.addStyle(id, file, name),
  async forget({ photo }) {
    studio.forget(photo);
  },
  saveStyle: ({ id, model, styleSize }) => studio.saveStyle(id, model, styleSize),
  paint: async ({ photo, look, size, preview }, watch) =>
    bitmapOf(await studio.paint(photo, look, { size, preview }, watch)),
  save: ({ photo, look, options }, watch) => studio.save(photo, look, options, watch),
  frame: async ({ frame, look }) => bitmapOf(await studio.paintFrame(pixelsOf(frame), look)),
};

/** Calls that run graphs, one at a time. @type {Record<string, Kind>} */
const QUEUED = { paint: "paint", frame: "frame", save: "save", saveStyle: "save" };

scope.onmessage = (/** @type {MessageEvent} */ { data }) => {
  if (data.cancel !== undefined) {
    const job = jobs.get(data.cancel);
    if (job) queue.end(job);
    return;
  }
  void answer(data.id, data.call, data.given);
};

/**
 * @param {number} id
 * @param {string} call
 * @param {any} given
 */
async function answer(id, call, given) {
  try {
    const value = await started(id, call, given);
    scope.postMessage({ id, value }, value instanceof ImageBitmap ? [value] : []);
  } catch (error) {
    const { name, message } = error instanceof Error ? error : { name: "", message: `${error}` };
    scope.postMessage({ id, error: { name, message } });
  } finally {
    jobs.delete(id);
  }
}

/**
 * @param {number} id
 * @param {string} call
 * @param {any} given
 * @returns {Promise<unknown>}
 */
function started(id, call, given) {
  const kind = QUEUED[call];
  if (kind === undefined) return CALLS[call](given, () => {});
  const job = new Job(kind, pixelsOfResult(given), (own) =>
    CALLS[call](given, async (share) => {
      scope.postMessage({ id, share });
      await own.turn();
    }),
  );
  jobs.set(id, job);
  return queue.add(job);
}

/** @param {any} given */
function pixelsOfResult({ photo, size }) {
  if (!photo) return 0;
  const { width, height } = photo;
  const scale = size ? size / Math.min(width, height) : 1;
  return width * height * scale * scale;
}

/**
 * @param {Pixels} pixels
 * @returns {Promise<ImageBitmap>}
 */
function bitmapOf({ width, height, data }) {
  const image = new ImageData(/** @type {Uint8ClampedArray<ArrayBuffer>} */ (data), width, height);
  return createImageBitmap(image);
}

/**
 * @param {ImageBitmap} frame which is closed
 * @returns {Pixels}
 */
function pixelsOf(frame) {
  const { width, height } = frame;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("there is no canvas to read a frame from");
  context.drawImage(frame, 0, 0);
  frame.close();
  const { data } = context.getImageData(0, 0, width, height);
  return { width, height, data };
}
