// @ts-check
/** `<film-panel>`: a film, painted frame by frame in this page. */

import { PaintError, cancelled, sentence } from "../errors.js";
import { Film } from "./conversion.js";
import { make } from "../panel/dom.js";
import { button, choice, clock, download, frame, megabytes, setShape } from "./elements.js";

/** @typedef {import("../types").Look} Look */
/** @typedef {import("../types").Painter} Painter */
/** @typedef {import("../types").Site} Site */
/** @typedef {"empty" | "reading" | "ready" | "painting" | "done" | "failed"} State */

/** Shorter sides of results, in pixels; those above the film's own are not offered. */
const SIZES = [256, 384, 512, 720, 1080];
const SIZE = 384;
/** A frame that tells what the film will look like is shown at this size at most. */
const PREVIEW = 512;
/** How often a frame is shown while the film is painted, in milliseconds. */
const SHOWN_EVERY = 150;

/**
 * A film. Before it is painted, any frame of it is shown in the look of the moment.
 *
 * Fires `film` with the result (an MP4 `File`) as its `detail`.
 */
export class FilmPanel extends HTMLElement {
  /** @type {Painter | null} */
  #painter = null;
  /** @type {Look | null} */
  #look = null;
  /** @type {Site | null} */
  #site = null;
  /** @type {State} */
  #state = "empty";
  /** @type {Film | null} */
  #film = null;
  #size = SIZE;
  /** @type {AbortController | null} */
  #work = null;
  /** @type {File | null} */
  #result = null;
  #turn = 0;
  #previewing = false;
  #stale = false;
  #shown = 0;

  #canvas = make("canvas", { className: "media-picture", width: 2, height: 2 });
  #player = make("video", { className: "media-picture", controls: true, loop: true });
  #picture = frame(this.#canvas, this.#player);
  #empty = make("div", { className: "media-welcome film-panel-drop" });
  #reading = make("p", { className: "media-waiting" }, "Reading the film …");
  #alarm = make("div", { className: "media-alarm" });
  #message = make("p", { className: "alarm" });
  #facts = make("p", { className: "film-panel-facts" });
  #place = make("input", { type: "range", min: "0", max: "1", step: "any", value: "0.25" });
  #time = make("output", {}, "0:00");
  #sizes = make("span");
  #ready = make("div", { className: "film-panel-ready" });
  #line = make("progress", { max: 1, value: 0 });
  #progress = make("output", { className: "film-panel-progress" });
  #painting = make("div", { className: "film-panel-painting" });
  #done = make("div", { className: "media-bar" });
  #doneWords = make("p", { className: "film-panel-facts" });
  #input = make("input", {
    type: "file", accept: "video/*,.mkv,.mov,.mp4,.webm,.ts", className: "unseen", tabIndex: -1,
  });

  constructor() {
    super();
    this.#canvas.setAttribute("role", "img");
    this.#player.setAttribute("aria-label", "The painted film");
    this.#player.playsInline = true;
    this.#reading.setAttribute("role", "status");
    this.#message.setAttribute("role", "alert");
    this.#progress.setAttribute("aria-live", "off");
    this.#line.setAttribute("aria-label", "Painted");
    this.#place.setAttribute("aria-label", "Frame shown");
    this.#input.setAttribute("aria-label", "Film");
    const choose = () => this.#input.click();
    this.#empty.append(
      make("h2", {}, "Paint a film"),
      button("Choose a film", choose, "main large"),
      make("p", { className: "media-faint" },
        "Or drop one here. The result is an MP4 with the same frames and sound, without " +
          "subtitles and chapters. Long films are faster with impasto video."),
    );
    this.#alarm.append(this.#message, button("Choose another film", choose));
    this.#place.addEventListener("input", () => this.#preview());
    const slider = make("label", { className: "film-panel-place" }, this.#place, this.#time);
    this.#ready.append(
      this.#facts,
      slider,
      make("div", { className: "media-bar" },
        button("Paint the film", () => void this.paint(), "main"),
        this.#sizes,
        button("Choose another", choose)),
    );
    this.#painting.append(
      this.#line,
      make("div", { className: "media-bar" },
        this.#progress,
        button("Cancel", () => this.cancel())),
    );
    this.#done.append(
      this.#doneWords,
      button("Save the film", () => {
        if (this.#result) download(this.#result, this.#result.name);
      }, "main"),
      button("Paint again", () => this.#again()),
      button("Choose another", choose),
    );
    this.#input.addEventListener("change", () => {
      const file = this.#input.files?.[0];
      this.#input.value = "";
      if (file) void this.open(file);
    });
    this.addEventListener("dragover", (event) => {
      event.preventDefault();
      this.classList.add("is-over");
    });
    this.addEventListener("dragleave", () => this.classList.remove("is-over"));
    this.addEventListener("drop", (event) => {
      this.classList.remove("is-over");
      const file = event.dataTransfer?.files[0];
      if (!file) return;
      event.preventDefault();
      event.stopPropagation();
      if (this.#state !== "painting") void this.open(file);
    });
  }

  connectedCallback() {
    this.replaceChildren(
      make("div", { className: "media-stage" }, this.#picture, this.#empty, this.#reading,
        this.#alarm),
      make("div", { className: "media-foot" }, this.#ready, this.#painting, this.#done, this.#input),
    );
    this.#showState("empty");
  }

  disconnectedCallback() {
    this.cancel();
    this.#letGo();
  }

  /** Whatever paints. */
  get painter() {
    return this.#painter;
  }

  set painter(painter) {
    this.#painter = painter;
  }

  /** Which page this is; it says where the reader of films is. */
  get site() {
    return this.#site;
  }

  set site(site) {
    this.#site = site;
  }

  /** What is asked of the painter; a film that is being painted keeps the look it began with. */
  get look() {
    return this.#look;
  }

  set look(look) {
    this.#look = look;
    this.#preview();
  }

  get state() {
    return this.#state;
  }

  /**
   * Read a film, and show a frame of it, painted.
   *
   * @param {File} file
   */
  async open(file) {
    this.cancel();
    this.#letGo();
    const turn = this.#turn;
    this.#showState("reading");
    try {
      const film = await Film.open(this.#site?.films ?? null, file, file.name || "The film");
      if (turn !== this.#turn) {
        film.close();
        return;
      }
      this.#film = film;
      this.#offerSizes(film);
      setShape(this.#picture, film.width, film.height);
      const shape = `${film.width} × ${film.height}`;
      const sound = film.hasSound ? "sound kept" : "no sound";
      const facts = [film.name, shape, clock(film.seconds), `${round(film.rate)} frames/s`];
      this.#facts.textContent = [...facts, film.remark || sound].join(" · ");
      this.#showState("ready");
      this.#preview();
    } catch (error) {
      if (turn === this.#turn) this.#failed(error);
    }
  }

  /** Paint the film, frame by frame. */
  async paint() {
    const [film, painter, look] = [this.#film, this.#painter, this.#look];
    if (!film || !painter || this.#state === "painting") return;
    if (!look) {
      this.#failed(new PaintError("Choose a style first."));
      return;
    }
    const work = new AbortController();
    this.#work = work;
    this.#showState("painting");
    this.#progress.textContent = "Painting the first frame …";
    this.#line.value = 0;
    const began = performance.now();
    const lock = await stayAwake();
    try {
      const { file, frames } = await film.paint(painter, look, {
        size: this.#size,
        signal: work.signal,
        watch: (done, painted) => this.#watch(done, painted, began),
      });
      const stem = film.name.replace(/\.[^.]*$/, "") || "film";
      const name = `${stem}-${look.styles.join("-") || "painted"}.mp4`;
      this.#result = new File([file], name, { type: file.type });
      const minutes = clock((performance.now() - began) / 1000);
      const words = [`${frames} frames painted in ${minutes}`, megabytes(file.size)];
      this.#doneWords.textContent = words.join(" · ");
      this.#player.src = URL.createObjectURL(this.#result);
      this.#showState("done");
      this.dispatchEvent(new CustomEvent("film", { detail: this.#result, bubbles: true }));
    } catch (error) {
      if (this.#work !== work) return; // another film has been opened
      if (cancelled(error)) this.#again();
      else this.#failed(error);
    } finally {
      if (this.#work === work) this.#work = null;
      void lock?.release();
    }
  }

  /** Give up what is being painted. */
  cancel() {
    this.#work?.abort();
  }

  #letGo() {
    this.#turn += 1;
    this.#work = null;
    this.#film?.close();
    this.#film = null;
    this.#forgetResult();
  }

  #forgetResult() {
    this.#result = null;
    if (this.#player.src) URL.revokeObjectURL(this.#player.src);
    this.#player.removeAttribute("src");
    this.#player.load();
  }

  #again() {
    this.#forgetResult();
    this.#showState("ready");
    this.#preview();
  }

  /** @param {Film} film */
  #offerSizes(film) {
    const own = Math.min(film.width, film.height);
    const sizes = SIZES.filter((size) => size < own);
    sizes.push(own);
    if (!sizes.includes(this.#size)) this.#size = Math.min(SIZE, own);
    const titles = sizes.map((size) => /** @type {[string, string]} */ ([
      String(size), size === own ? `${size} px (full)` : `${size} px`,
    ]));
    const { element } = choice("Size", titles, String(this.#size), (value) => {
      this.#size = Number(value);
      this.#preview();
    });
    this.#sizes.replaceChildren(element);
  }

  /** Show the frame of the slider in the look of the moment; the newest wish wins. */
  #preview() {
    const film = this.#film;
    if (!film || this.#state !== "ready") return;
    const seconds = Number(this.#place.value) * film.seconds;
    this.#time.textContent = `${clock(seconds)} of ${clock(film.seconds)}`;
    this.#place.setAttribute("aria-valuetext", this.#time.textContent);
    this.#stale = true;
    if (!this.#previewing) void this.#paintPreviews(film);
  }

  /** @param {Film} film */
  async #paintPreviews(film) {
    this.#previewing = true;
    try {
      while (this.#stale && this.#state === "ready" && film === this.#film) {
        this.#stale = false;
        const [painter, look] = [this.#painter, this.#look];
        const seconds = Math.min(Number(this.#place.value), 0.999) * film.seconds;
        const frame = await film.frame(seconds, Math.min(this.#size, PREVIEW));
        if (!frame) continue;
        const shown = painter && look ? await painter.paintFrame(frame, look) : frame;
        if (this.#state === "ready" && film === this.#film) this.#show(shown);
        shown.close();
      }
    } catch (error) {
      if (film === this.#film && this.#state === "ready" && !cancelled(error)) this.#failed(error);
    } finally {
      this.#previewing = false;
    }
    if (this.#stale && this.#film && this.#state === "ready") void this.#paintPreviews(this.#film);
  }

  /**
   * @param {import("./conversion.js").Progress} done
   * @param {ImageBitmap} painted
   * @param {number} began
   */
  #watch({ share, frames }, painted, began) {
    const now = performance.now();
    if (now - this.#shown < SHOWN_EVERY) return;
    this.#shown = now;
    this.#show(painted);
    const seconds = (now - began) / 1000;
    const left = share > 0 ? (seconds * (1 - share)) / share : 0;
    this.#line.value = share;
    const words = [`Frame ${frames}`, `${Math.floor(share * 100)} %`, `${clock(left)} left`];
    this.#progress.textContent = words.join(" · ");
  }

  /** @param {ImageBitmap} painted */
  #show(painted) {
    const canvas = this.#canvas;
    if (canvas.width !== painted.width || canvas.height !== painted.height) {
      canvas.width = painted.width;
      canvas.height = painted.height;
    }
    canvas.getContext("2d", { alpha: false })?.drawImage(painted, 0, 0);
    canvas.hidden = false;
    this.#picture.hidden = false;
  }

  /** @param {unknown} error */
  #failed(error) {
    this.#message.textContent = sentence(error);
    this.#showState("failed");
  }

  /** @param {State} state */
  #showState(state) {
    this.#state = state;
    this.dataset.state = state;
    this.#empty.hidden = state !== "empty";
    this.#reading.hidden = state !== "reading";
    this.#alarm.hidden = state !== "failed";
    this.#ready.hidden = state !== "ready";
    this.#painting.hidden = state !== "painting";
    this.#done.hidden = state !== "done";
    this.#player.hidden = state !== "done";
    // Behind the player, the last frame stays until the film is loaded.
    if (state !== "painting" && state !== "ready" && state !== "done") this.#canvas.hidden = true;
    this.#canvas.ariaHidden = String(state === "done");
    this.#picture.hidden = this.#canvas.hidden && this.#player.hidden;
    const label = state === "painting" ? "The last painted frame" : "A painted frame";
    this.#canvas.setAttribute("aria-label", label);
  }
}

/** Keep the screen of a phone on, where that can be asked. */
async function stayAwake() {
  try {
    return await navigator.wakeLock?.request("screen");
  } catch {
    return undefined;
  }
}

/** @param {number} rate */
function round(rate) {
  return String(Math.round(rate * 100) / 100);
}

customElements.define("film-panel", FilmPanel);
