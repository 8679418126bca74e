// @ts-check
/** What a canvas shows, as a film: H.264 in MP4 where the browser writes that, else WebM. */

import { PaintError } from "../errors.js";

const TYPES = [
  "video/mp4;codecs=avc1.42E01F",
  "video/mp4",
  "video/webm;codecs=vp9",
  "video/webm;codecs=vp8",
  "video/webm",
];
/** Bits a pixel and frame: painted pictures are full of edges. */
const BITS = 0.2;
const RATE = 30;

export class Recorder {
  #recorder;
  /** @type {Blob[]} */
  #parts = [];
  #began = performance.now();

  /** Whether this browser records at all. */
  static get works() {
    return typeof MediaRecorder !== "undefined" && "captureStream" in HTMLCanvasElement.prototype;
  }

  /** @param {HTMLCanvasElement} canvas that is recorded from now on */
  constructor(canvas) {
    const mimeType = TYPES.find((type) => MediaRecorder.isTypeSupported(type));
    const videoBitsPerSecond = Math.max(1e6, BITS * RATE * canvas.width * canvas.height);
    this.#recorder = new MediaRecorder(canvas.captureStream(RATE), { mimeType, videoBitsPerSecond });
    this.#recorder.addEventListener("dataavailable", ({ data }) => {
      if (data.size) this.#parts.push(data);
    });
    this.#recorder.start(1000);
  }

  get seconds() {
    return (performance.now() - this.#began) / 1000;
  }

  /**
   * End the recording.
   *
   * @returns {Promise<File>}
   */
  async stop() {
    const recorder = this.#recorder;
    if (recorder.state !== "inactive") {
      const ended = new Promise((resolve) => {
        recorder.addEventListener("stop", resolve, { once: true });
      });
      recorder.stop();
      await ended;
    }
    for (const track of recorder.stream.getTracks()) track.stop();
    if (this.#parts.length === 0) {
      throw new PaintError("Nothing was recorded: record a little longer.");
    }
    const type = recorder.mimeType.split(";")[0] || "video/webm";
    return new File(this.#parts, `impasto-${stamp()}.${type === "video/mp4" ? "mp4" : "webm"}`, {
      type,
    });
  }
}

/** The moment, as a part of a file's name: "2026-05-31-184502". */
export function stamp() {
  const now = new Date();
  const local = new Date(now.getTime() - 60_000 * now.getTimezoneOffset()).toISOString();
  return local.slice(0, 19).replace("T", "-").replaceAll(":", "");
}
