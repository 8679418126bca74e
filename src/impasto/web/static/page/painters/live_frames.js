// @ts-check
/** Frames of a camera or a film, painted by a server over a WebSocket; see web/frames.py. */
import { PaintError } from "../errors.js";

const ADDRESS = "api/frames";

/** JPEG of what is sent: seen for a moment, and painted over. */
const QUALITY = 0.88;

/** A connection without frames is closed: others may need its place. */
const IDLE_MS = 10_000;

/**
 * A frame that has no answer yet.
 *
 * @typedef {object} Waiting
 * @property {number} number
 * @property {(picture: ImageBitmap) => void} resolve
 * @property {(error: Error) => void} reject
 */

export class LiveFrames {
  constructor() {
    /** @type {Promise<WebSocket> | null} */
    this._socket = null;
    /** @type {Waiting[]} in their order */
    this._waiting = [];
    this._sent = 0;
    this._look = "";
    /** The sentence about a look that was refused. */
    this._refused = "";
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this._idle = undefined;
    /** Frames are encoded one after the other, so that they are sent in their order. */
    this._last = Promise.resolve();
  }

  /**
   * Paint a frame, which is closed.
   *
   * @param {ImageBitmap} frame
   * @param {string} look as JSON
   * @returns {Promise<ImageBitmap>}
   */
  paint(frame, look) {
    return new Promise((resolve, reject) => {
      this._last = this._last
        .then(() => this._send(frame, look, resolve, reject))
        .catch((error) => reject(error));
    });
  }

  /**
   * @param {ImageBitmap} frame
   * @param {string} look
   * @param {Waiting["resolve"]} resolve
   * @param {Waiting["reject"]} reject
   */
  async _send(frame, look, resolve, reject) {
    clearTimeout(this._idle);
    const canvas = new OffscreenCanvas(frame.width, frame.height);
    const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
    context.drawImage(frame, 0, 0);
    frame.close();
    const data = await canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY });
    this._socket ??= this._connected();
    const socket = await this._socket;
    if (look !== this._look) {
      this._look = look;
      this._refused = "";
      socket.send(look);
    }
    this._waiting.push({ number: this._sent, resolve, reject });
    this._sent += 1;
    socket.send(data);
  }

  /** @returns {Promise<WebSocket>} */
  _connected() {
    this._sent = 0;
    this._look = "";
    const address = new URL(ADDRESS, document.baseURI);
    address.protocol = address.protocol.replace("http", "ws");
    const socket = new WebSocket(address);
    socket.onmessage = ({ data }) => void this._answered(data);
    return new Promise((resolve, reject) => {
      socket.onopen = () => resolve(socket);
      socket.onclose = () => {
        const error = new PaintError(
          this._refused || "The server has closed the connection: start again.",
        );
        this._socket = null;
        reject(error);
        for (const { reject: failed } of this._waiting.splice(0)) failed(error);
      };
    });
  }

  /** @param {string | Blob} data */
  async _answered(data) {
    if (typeof data !== "string") {
      const waiting = this._waiting.shift();
      this._rest();
      try {
        waiting?.resolve(await createImageBitmap(data));
      } catch {
        waiting?.reject(new PaintError("The server sent a picture that cannot be read."));
      }
      return;
    }
    const { frame, error, dropped } = JSON.parse(data);
    if (frame === undefined) {
      if (error) this._refused = error;
      return;
    }
    const place = this._waiting.findIndex((each) => each.number === frame);
    const [waiting] = place < 0 ? [] : this._waiting.splice(place, 1);
    const line = dropped ? "The frame was dropped for a newer one." : this._refused || error;
    waiting?.reject(new PaintError(line));
    this._rest();
  }

  /** Close the connection some time after the last frame. */
  _rest() {
    clearTimeout(this._idle);
    if (this._waiting.length > 0) return;
    this._idle = setTimeout(async () => (await this._socket)?.close(), IDLE_MS);
  }
}
