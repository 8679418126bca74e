// @ts-check
/** Work of the worker: one job at a time, frames first, then pictures to be shown, then the rest. */

/**
 * The kind of a job, which is its rank: frames of a camera are late already, and somebody waits for
 * pictures that are to be shown.
 *
 * @typedef {"frame" | "paint" | "save"} Kind
 */

const RANKS = /** @type {Kind[]} */ (["frame", "paint", "save"]);

/** A result of more pixels takes so long that a newer one ends it. */
const LONG_PIXELS = 1_000_000;

/** A job that waits or runs. */
export class Job {
  /**
   * @param {Kind} kind
   * @param {number} pixels of the result
   * @param {(job: Job) => Promise<unknown>} work
   */
  constructor(kind, pixels, work) {
    this.kind = kind;
    this.pixels = pixels;
    this.work = work;
    this.ended = false;
    /** @type {(value: any) => void} */
    this.resolve = () => {};
    /** @type {(error: unknown) => void} */
    this.reject = () => {};
  }

  /**
   * Let messages come in, and stop if one of them ended this job.
   *
   * @returns {Promise<void>}
   */
  async turn() {
    await new Promise((resolve) => setTimeout(resolve));
    if (this.ended) throw aborted();
  }
}

/** Jobs, one at a time. */
export class Queue {
  constructor() {
    /** @type {Job[]} */
    this._waiting = [];
    /** @type {Job | null} */
    this._running = null;
  }

  /**
   * Do some work when its turn comes. The newest picture to be shown takes the place of those that
   * wait, but for smaller ones, which are its previews, and of one that takes long; a short one is
   * finished, so that something is seen while a slider moves.
   *
   * @template T
   * @param {Job} job
   * @returns {Promise<T>}
   */
  add(job) {
    if (job.kind === "paint") {
      const { pixels } = job;
      const shown = this._waiting.filter((each) => each.kind === "paint" && each.pixels >= pixels);
      for (const other of shown) this.end(other);
      const running = this._running;
      if (running?.kind === "paint" && running.pixels > LONG_PIXELS) this.end(running);
    }
    const promise = new Promise((resolve, reject) => {
      job.resolve = resolve;
      job.reject = reject;
    });
    this._waiting.push(job);
    if (this._running === null) void this._run();
    return /** @type {Promise<T>} */ (promise);
  }

  /**
   * End a job: at once if it waits, at its next turn if it runs.
   *
   * @param {Job} job
   */
  end(job) {
    job.ended = true;
    const place = this._waiting.indexOf(job);
    if (place < 0) return;
    this._waiting.splice(place, 1);
    job.reject(aborted());
  }

  async _run() {
    for (let job = this._next(); job !== null; job = this._next()) {
      this._running = job;
      try {
        job.resolve(await job.work(job));
      } catch (error) {
        job.reject(error);
      }
      this._running = null;
    }
  }

  /** @returns {Job | null} */
  _next() {
    for (const kind of RANKS) {
      const place = this._waiting.findIndex((job) => job.kind === kind);
      if (place >= 0) return this._waiting.splice(place, 1)[0];
    }
    return null;
  }
}

/** The error of work that was ended, which is none to show. */
export function aborted() {
  return new DOMException("The work was ended.", "AbortError");
}
