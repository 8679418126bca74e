// @ts-check
/** `<camera-panel>`: what a camera sees, painted as it comes. */

import { PaintError, cancelled, sentence } from "../errors.js";
import { make } from "../panel/dom.js";
import { button, choice, clock, download, frame, megabytes, setShape, within } from "./elements.js";
import { FrameLoop } from "./frame_loop.js";
import { Recorder, stamp } from "./recorder.js";

/** @typedef {import("../types").Look} Look */
/** @typedef {import("../types").Painter} Painter */
/** @typedef {"idle" | "asking" | "live" | "failed"} State */

/** Shorter sides of painted frames, in pixels. */
const SIZES = [192, 256, 384, 512];
const SIZE = 256;
/** Asked of a camera: a snapshot has that size. */
const WIDTH = 960;
const HEIGHT = 720;
/** A page that nobody has seen for so long lets go of the camera, in milliseconds. */
const UNSEEN = 20_000;

/**
 * A camera. It starts on the user's wish, and stops on it too, when the element leaves the page,
 * when the page is left, and when it is hidden for 20 seconds.
 *
 * Fires `snapshot` with a painted picture (a PNG `File`) as its `detail`, which is downloaded
 * unless a listener calls `preventDefault`.
 */
export class CameraPanel extends HTMLElement {
  /** @type {Painter | null} */
  #painter = null;
  /** @type {Look | null} */
  #look = null;
  #size = SIZE;
  /** @type {State} */
  #state = "idle";
  /** Counts starts and stops, so that what is late is told from what is wanted. */
  #turn = 0;
  /** @type {MediaStream | null} */
  #stream = null;
  /** @type {FrameLoop | null} */
  #loop = null;
  /** @type {Recorder | null} */
  #recorder = null;
  /** @type {MediaTrackConstraints} */
  #wanted = { facingMode: "user" };
  #mirrored = false;
  #unseen = 0;
  #ticks = 0;

  #video = make("video", { muted: true, playsInline: true });
  #frame = new OffscreenCanvas(2, 2);
  #canvas = make("canvas", { className: "media-picture", width: 2, height: 2 });
  #picture = frame(this.#canvas);
  #rate = make("output", { className: "camera-panel-rate" });
  #recording = make("output", { className: "camera-panel-recording" });
  #idle = make("div", { className: "media-welcome" });
  #promise = make("p", { className: "media-faint" });
  #asking = make("p", { className: "media-waiting" });
  #alarm = make("div", { className: "media-alarm" });
  #message = make("p", { className: "alarm" });
  #kept = make("div", { className: "media-kept" });
  #bar = make("div", { className: "media-bar" });
  #record = button("Record", () => void this.#turnRecording());
  #switch = button("Switch camera", () => void this.#switchCamera());
  #mirror = button("Mirror", () => this.#turnMirror());

  constructor() {
    super();
    this.#picture.append(
      make("div", { className: "media-figures" }, this.#recording, this.#rate),
    );
    this.#canvas.setAttribute("role", "img");
    this.#canvas.setAttribute("aria-label", "The painted camera picture");
    this.#rate.setAttribute("aria-live", "off");
    this.#recording.setAttribute("aria-live", "off");
    this.#asking.setAttribute("role", "status");
    this.#message.setAttribute("role", "alert");
    this.#kept.setAttribute("role", "status");
    this.#idle.append(
      make("h2", {}, "Paint what your camera sees"),
      button("Start the camera", () => void this.start(), "main large"),
      this.#promise,
    );
    this.#alarm.append(this.#message, button("Try again", () => void this.start()));
    const size = choice(
      "Size",
      SIZES.map((each) => [String(each), `${each} px`]),
      String(this.#size),
      (value) => {
        this.#size = Number(value);
      },
    );
    this.#bar.append(
      button("Snapshot", () => void this.snapshot(), "main"),
      this.#record,
      this.#switch,
      this.#mirror,
      size.element,
      button("Stop", () => this.stop()),
    );
  }

  connectedCallback() {
    this.replaceChildren(
      make("div", { className: "media-stage" }, this.#picture, this.#idle, this.#asking,
        this.#alarm),
      make("div", { className: "media-foot" }, this.#kept, this.#bar),
    );
    this.#showState("idle");
    this.#kept.hidden = true;
    document.addEventListener("visibilitychange", this.#onVisibility);
    window.addEventListener("pagehide", this.#onLeave);
    this.#ticks = window.setInterval(() => this.#showFigures(), 500);
  }

  disconnectedCallback() {
    this.stop();
    document.removeEventListener("visibilitychange", this.#onVisibility);
    window.removeEventListener("pagehide", this.#onLeave);
    clearInterval(this.#ticks);
    clearTimeout(this.#unseen);
  }

  /** Whatever paints. */
  get painter() {
    return this.#painter;
  }

  set painter(painter) {
    this.#painter = painter;
    this.#promise.textContent =
      painter?.home === "server"
        ? `Its pictures are painted by the machine at ${location.host} and are not kept.`
        : "Its pictures do not leave this device.";
  }

  /** What is asked of the painter for every frame. */
  get look() {
    return this.#look;
  }

  set look(look) {
    this.#look = look;
  }

  /** Frames a second, as they are shown. */
  get rate() {
    return this.#loop?.rate ?? 0;
  }

  get state() {
    return this.#state;
  }

  /** Ask for the camera, and paint what it sees. */
  async start() {
    this.stop();
    const turn = this.#turn;
    this.#showState("asking");
    try {
      const stream = await openCamera(this.#wanted);
      if (turn !== this.#turn) {
        for (const track of stream.getTracks()) track.stop();
        return;
      }
      this.#stream = stream;
      const [track] = stream.getVideoTracks();
      track.addEventListener("ended", () => {
        if (this.#stream !== stream) return;
        this.#failed(new PaintError(
          "The camera is gone: was it unplugged, or is another program using it?",
        ));
      });
      const { facingMode } = track.getSettings();
      this.#mirrored = facingMode !== "environment";
      this.#mirror.setAttribute("aria-pressed", String(this.#mirrored));
      this.#video.srcObject = stream;
      await this.#video.play();
      const cameras = await listCameras();
      if (turn !== this.#turn) return;
      this.#switch.hidden = cameras.length < 2;
      this.#showState("live");
      this.#loop = new FrameLoop(
        this.#video,
        () => this.#paintFrame(this.#size),
        (painted) => this.#show(painted),
        (error) => {
          if (!cancelled(error)) this.#failed(error);
        },
      );
      this.#loop.start();
    } catch (error) {
      if (turn === this.#turn) this.#failed(error);
    }
  }

  /** Let go of the camera; what was recorded is kept. */
  stop() {
    this.#turn += 1;
    this.#loop?.stop();
    this.#loop = null;
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    this.#video.srcObject = null;
    if (this.#recorder) void this.#endRecording();
    if (this.#state !== "failed") this.#showState("idle");
  }

  /** Paint the frame of this moment in the camera's own size, and hand it out. */
  async snapshot() {
    if (!this.#loop) return;
    try {
      const painted = await this.#loop.alone(() => {
        const { videoWidth, videoHeight } = this.#video;
        return this.#paintFrame(Math.min(videoWidth, videoHeight));
      });
      const canvas = new OffscreenCanvas(painted.width, painted.height);
      canvas.getContext("2d")?.drawImage(painted, 0, 0);
      painted.close();
      const blob = await canvas.convertToBlob({ type: "image/png" });
      const file = new File([blob], `impasto-${stamp()}.png`, { type: "image/png" });
      const options = { detail: file, bubbles: true, cancelable: true };
      if (!this.dispatchEvent(new CustomEvent("snapshot", options))) return;
      download(file, file.name);
      this.#keep(`Saved ${file.name} · ${canvas.width} × ${canvas.height}`);
    } catch (error) {
      if (!cancelled(error)) this.#failed(error);
    }
  }

  /** @param {number} size shorter side */
  async #paintFrame(size) {
    const [painter, look] = [this.#painter, this.#look];
    if (!painter || !look) throw new PaintError("Choose a style first.");
    const { videoWidth, videoHeight } = this.#video;
    const { width, height } = within(videoWidth, videoHeight, size);
    const canvas = this.#frame;
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    const context = canvas.getContext("2d", { alpha: false });
    if (!context) throw new PaintError("This browser is out of memory: close other tabs.");
    context.setTransform(this.#mirrored ? -1 : 1, 0, 0, 1, this.#mirrored ? width : 0, 0);
    context.imageSmoothingQuality = "medium";
    context.drawImage(this.#video, 0, 0, width, height);
    return painter.paintFrame(canvas.transferToImageBitmap(), look);
  }

  /** @param {ImageBitmap} painted */
  #show(painted) {
    const canvas = this.#canvas;
    // A recording keeps its size, whatever becomes of the frames.
    if (!this.#recorder && (canvas.width !== painted.width || canvas.height !== painted.height)) {
      canvas.width = painted.width;
      canvas.height = painted.height;
      setShape(this.#picture, painted.width, painted.height);
    }
    const context = canvas.getContext("2d", { alpha: false });
    if (!context) return;
    const scale = Math.min(canvas.width / painted.width, canvas.height / painted.height);
    const [width, height] = [painted.width * scale, painted.height * scale];
    if (width < canvas.width - 1 || height < canvas.height - 1) {
      context.clearRect(0, 0, canvas.width, canvas.height);
    }
    const [left, top] = [(canvas.width - width) / 2, (canvas.height - height) / 2];
    context.drawImage(painted, left, top, width, height);
    this.#picture.hidden = false;
    this.#asking.hidden = true;
  }

  async #switchCamera() {
    const settings = this.#stream?.getVideoTracks()[0]?.getSettings() ?? {};
    if (settings.facingMode) {
      const facingMode = settings.facingMode === "environment" ? "user" : "environment";
      this.#wanted = { facingMode };
    } else {
      const cameras = await listCameras();
      const at = cameras.findIndex(({ deviceId }) => deviceId === settings.deviceId);
      this.#wanted = { deviceId: { exact: cameras[(at + 1) % cameras.length].deviceId } };
    }
    await this.start();
  }

  #turnMirror() {
    this.#mirrored = !this.#mirrored;
    this.#mirror.setAttribute("aria-pressed", String(this.#mirrored));
  }

  async #turnRecording() {
    if (this.#recorder) {
      await this.#endRecording();
      return;
    }
    try {
      this.#recorder = new Recorder(this.#canvas);
      this.#kept.hidden = true;
    } catch (error) {
      this.#keep(sentence(error));
    }
    this.#showFigures();
  }

  async #endRecording() {
    const recorder = this.#recorder;
    if (!recorder) return;
    const { seconds } = recorder;
    this.#recorder = null;
    this.#showFigures();
    try {
      const film = await recorder.stop();
      this.#keep(
        `Recorded ${clock(seconds)} · ${megabytes(film.size)}`,
        button("Save the film", () => download(film, film.name), "main"),
      );
    } catch (error) {
      this.#keep(sentence(error));
    }
  }

  /** @param {string} words @param {...HTMLElement} actions */
  #keep(words, ...actions) {
    const close = button("×", () => {
      this.#kept.hidden = true;
    }, "media-close");
    close.setAttribute("aria-label", "Close");
    this.#kept.replaceChildren(make("span", {}, words), ...actions, close);
    this.#kept.hidden = false;
  }

  /** @param {unknown} error */
  #failed(error) {
    this.stop();
    this.#message.textContent = sentence(error);
    this.#showState("failed");
  }

  /** @param {State} state */
  #showState(state) {
    this.#state = state;
    this.dataset.state = state;
    this.#idle.hidden = state !== "idle";
    this.#asking.hidden = state !== "asking" && (state !== "live" || !this.#picture.hidden);
    this.#asking.textContent =
      state === "asking" ? "Waiting for your permission …" : "Painting the first frame …";
    this.#alarm.hidden = state !== "failed";
    this.#bar.hidden = state !== "live";
    if (state !== "live") this.#picture.hidden = true;
    this.#showFigures();
  }

  #showFigures() {
    const live = this.#state === "live";
    const { rate } = this;
    this.#rate.hidden = !live || !rate;
    if (rate) this.#rate.textContent = `${rate.toFixed(1)} frames/s`;
    this.#recording.hidden = !this.#recorder;
    if (this.#recorder) this.#recording.textContent = `● ${clock(this.#recorder.seconds)}`;
    this.#record.hidden = !Recorder.works;
    this.#record.textContent = this.#recorder ? "Stop recording" : "Record";
    this.#record.setAttribute("aria-pressed", String(this.#recorder !== null));
  }

  #onVisibility = () => {
    clearTimeout(this.#unseen);
    if (document.visibilityState !== "hidden") return;
    this.#unseen = window.setTimeout(() => {
      if (this.#stream) this.stop();
    }, UNSEEN);
  };

  #onLeave = () => this.stop();
}

/**
 * A camera's stream.
 *
 * @param {MediaTrackConstraints} wanted
 * @returns {Promise<MediaStream>}
 */
async function openCamera(wanted) {
  const devices = navigator.mediaDevices;
  if (!devices?.getUserMedia) {
    throw new PaintError(
      window.isSecureContext
        ? "This browser does not let pages use the camera."
        : "Browsers allow the camera only over HTTPS or on this machine: open this page with " +
          "https:// or at localhost.",
    );
  }
  /** @type {MediaTrackConstraints} */
  const video = { width: { ideal: WIDTH }, height: { ideal: HEIGHT }, ...wanted };
  try {
    return await devices.getUserMedia({ video, audio: false });
  } catch (error) {
    throw new PaintError(REASONS[error instanceof Error ? error.name : ""] ?? sentence(error));
  }
}

/** @type {Record<string, string>} */
const REASONS = {
  NotAllowedError:
    "Camera access was denied: allow it for this page in your browser's settings, then try again.",
  SecurityError: "This browser's settings block the camera on all pages.",
  NotFoundError: "There is no camera on this device.",
  OverconstrainedError: "There is no such camera on this device.",
  NotReadableError:
    "The camera cannot be opened: close other programs that use it, then try again.",
  AbortError: "The camera cannot be opened: close other programs that use it, then try again.",
};

async function listCameras() {
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices.filter(({ kind }) => kind === "videoinput");
}

customElements.define("camera-panel", CameraPanel);
