// @ts-check
/**
 * A film, painted frame by frame: H.264 in MP4, every frame at its time, sound copied packet for
 * packet. Reading and writing is by mediabunny and the browser's WebCodecs.
 */

import { PaintError } from "../errors.js";
import { within } from "./elements.js";

/** @typedef {typeof import("mediabunny")} Mediabunny */
/** @typedef {import("../types").Look} Look */
/** @typedef {import("../types").Painter} Painter */
/** @typedef {import("mediabunny").InputVideoTrack} InputVideoTrack */
/** @typedef {import("mediabunny").InputAudioTrack} InputAudioTrack */

/** Frames that are painted at once. */
const AT_ONCE = 2;
const ELSEWHERE = "use impasto video on the command line";

/**
 * What is done of a film.
 *
 * @typedef {object} Progress
 * @property {number} share in [0, 1]
 * @property {number} frames that are painted
 */

/**
 * @typedef {object} ConversionOptions
 * @property {number} size shorter side of the result, in pixels; never larger than the film's
 * @property {AbortSignal} signal
 * @property {(done: Progress, painted: ImageBitmap) => void} watch the frame is closed behind it
 */

export class Film {
  /** @type {Mediabunny} */
  #bunny;
  #input;
  /** @type {InputVideoTrack} */
  #video;
  /** @type {InputAudioTrack[]} */
  #sounds;

  /**
   * @param {Mediabunny} bunny
   * @param {import("mediabunny").Input} input
   * @param {InputVideoTrack} video
   * @param {InputAudioTrack[]} sounds that are kept
   * @param {{name: string, width: number, height: number, start: number, seconds: number,
   *   rate: number, remark: string}} facts
   */
  constructor(bunny, input, video, sounds, facts) {
    this.#bunny = bunny;
    this.#input = input;
    this.#video = video;
    this.#sounds = sounds;
    this.name = facts.name;
    /** Upright, in square pixels. */
    this.width = facts.width;
    this.height = facts.height;
    this.start = facts.start;
    this.seconds = facts.seconds;
    /** Frames a second, on average. */
    this.rate = facts.rate;
    /** What of it is not kept, "" for nothing. */
    this.remark = facts.remark;
  }

  get hasSound() {
    return this.#sounds.length > 0;
  }

  /**
   * Open a film.
   *
   * @param {string | null} address of mediabunny, from the page
   * @param {Blob} file
   * @param {string} name of the file
   * @returns {Promise<Film>}
   * @throws {PaintError} with a sentence for what this browser cannot do
   */
  static async open(address, file, name) {
    const bunny = await loadMediabunny(address);
    const source = new bunny.BlobSource(file);
    const input = new bunny.Input({ source, formats: bunny.ALL_FORMATS });
    try {
      const video = await input.getPrimaryVideoTrack().catch(() => null);
      if (!video) {
        const tracks = await input.getTracks().catch(() => []);
        if (tracks.length > 0) throw new PaintError(`${name} has no picture, only sound.`);
        throw unlike(name);
      }
      if (!(await video.canDecode())) {
        const codec = (await video.getCodec())?.toUpperCase() ?? "an unknown codec";
        throw new PaintError(`${name} is in ${codec}, which this browser cannot read: ${ELSEWHERE}.`);
      }
      const [start, end, width, height, stats] = await Promise.all([
        video.getFirstTimestamp(),
        video.computeDuration(),
        video.getDisplayWidth(),
        video.getDisplayHeight(),
        video.computePacketStats(120),
      ]);
      if (stats.packetCount === 0) throw new PaintError(`${name} has no picture.`);
      const { sounds, remark } = await soundsOf(bunny, input);
      const facts = { name, width, height, start, seconds: end - start, remark };
      const rate = stats.averagePacketRate;
      return new Film(bunny, input, video, sounds, { ...facts, rate });
    } catch (error) {
      input.dispose();
      throw error instanceof PaintError ? error : unlike(name);
    }
  }

  /**
   * A frame, upright.
   *
   * @param {number} seconds from the start of the film
   * @param {number} size shorter side in pixels
   * @returns {Promise<ImageBitmap | null>}
   */
  async frame(seconds, size) {
    const sink = new this.#bunny.VideoSampleSink(this.#video);
    const sample = await sink.getSample(this.start + seconds);
    return sample && this.#bitmapOf(sample, within(this.width, this.height, size));
  }

  /**
   * Paint the whole film.
   *
   * @param {Painter} painter
   * @param {Look} look
   * @param {ConversionOptions} options
   * @returns {Promise<{file: Blob, frames: number}>}
   * @throws {PaintError} with a sentence for what this browser cannot do
   */
  async paint(painter, look, { size, signal, watch }) {
    const bunny = this.#bunny;
    const shape = within(this.width, this.height, size);
    if (!(await bunny.canEncodeVideo("avc", shape))) {
      throw new PaintError(
        `This browser cannot write H.264 films of ${shape.width} x ${shape.height} pixels: ` +
          `choose a smaller size, or use impasto video on the command line.`,
      );
    }
    const target = new bunny.BufferTarget();
    const format = new bunny.Mp4OutputFormat({ fastStart: "in-memory" });
    const output = new bunny.Output({ format, target });
    const quality = new bunny.Quality("very-high");
    const pictures = new bunny.VideoSampleSource({ codec: "avc", quality, keyFrameInterval: 2 });
    output.addVideoTrack(pictures);
    const tracks = [this.#video, ...this.#sounds];
    // A film begins with its first track; silence before 0, which encoders of sound need, stays.
    const early = Math.max(0, await this.#input.getFirstTimestamp(tracks));
    const sounds = await Promise.all(
      this.#sounds.map((track) => this.#copying(output, track, early)),
    );
    output.setMetadataTags(await this.#tags());
    let frames = 0;
    /** @type {{painted: Promise<ImageBitmap>, timestamp: number, duration: number}[]} */
    const flying = [];

    const land = async () => {
      const { painted, timestamp, duration } = /** @type {typeof flying[0]} */ (flying.shift());
      const bitmap = await painted;
      signal.throwIfAborted();
      const sample = new bunny.VideoSample(bitmap, { timestamp: timestamp - early, duration });
      try {
        await pictures.add(sample);
      } finally {
        sample.close();
      }
      await Promise.all(sounds.map((sound) => sound.until(timestamp)));
      frames += 1;
      const share = (timestamp + duration - this.start) / this.seconds;
      watch({ share: Math.min(1, Math.max(0, share)), frames }, bitmap);
      bitmap.close();
    };

    try {
      await output.start();
      const samples = new bunny.VideoSampleSink(this.#video).samples();
      for await (const sample of samples) {
        signal.throwIfAborted();
        const { timestamp, duration } = sample;
        const painted = painter.paintFrame(this.#bitmapOf(sample, shape), look);
        painted.catch(() => {}); // told where it is waited for
        flying.push({ painted, timestamp, duration });
        if (flying.length === AT_ONCE) await land();
      }
      while (flying.length > 0) await land();
      await Promise.all(sounds.map((sound) => sound.until(Infinity)));
      await output.finalize();
    } catch (error) {
      await output.cancel().catch(() => {});
      await Promise.allSettled(flying.map(async ({ painted }) => (await painted).close()));
      signal.throwIfAborted();
      if (error instanceof Error && error.name === "PaintError") throw error;
      if (frames === 0) throw error;
      throw new PaintError(
        `${this.name} is damaged, or too large for this browser, after frame ${frames}: ` +
          `${ELSEWHERE}.`,
      );
    }
    if (!target.buffer) throw new PaintError("The film could not be written: try a smaller size.");
    return { file: new Blob([target.buffer], { type: "video/mp4" }), frames };
  }

  close() {
    this.#input.dispose();
  }

  /**
   * @param {import("mediabunny").VideoSample} sample which is closed
   * @param {{width: number, height: number}} shape
   */
  #bitmapOf(sample, { width, height }) {
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d", { alpha: false });
    if (!context) throw new PaintError("This browser is out of memory: close other tabs.");
    context.imageSmoothingQuality = "high";
    sample.draw(context, 0, 0, width, height);
    sample.close();
    return canvas.transferToImageBitmap();
  }

  /**
   * The packets of a sound track, copied as they are.
   *
   * @param {import("mediabunny").Output} output
   * @param {InputAudioTrack} track
   * @param {number} early seconds that are taken from all times
   */
  async #copying(output, track, early) {
    const codec = /** @type {import("mediabunny").AudioCodec} */ (await track.getCodec());
    const source = new this.#bunny.EncodedAudioPacketSource(codec);
    output.addAudioTrack(source, {
      languageCode: await track.getLanguageCode(),
      name: (await track.getName()) ?? undefined,
      disposition: await track.getDisposition(),
    });
    const decoderConfig = (await track.getDecoderConfig()) ?? undefined;
    const packets = new this.#bunny.EncodedPacketSink(track).packets();
    let next = await packets.next();
    return {
      /** @param {number} seconds */
      async until(seconds) {
        while (!next.done && next.value.timestamp <= seconds) {
          const packet = next.value.clone({ timestamp: next.value.timestamp - early });
          await source.add(packet, { decoderConfig });
          next = await packets.next();
        }
      },
    };
  }

  /** Title, artist and the like, without those that mediabunny does not know: one is the place. */
  async #tags() {
    try {
      const { raw: _, ...tags } = await this.#input.getMetadataTags();
      return tags;
    } catch {
      return {};
    }
  }
}

/** @param {string} name */
function unlike(name) {
  return new PaintError(
    `${name} is damaged, or not a supported film: choose an MP4, MOV, WebM or MKV file.`,
  );
}

/** @param {string | null} address @returns {Promise<Mediabunny>} */
async function loadMediabunny(address) {
  if (address === null) {
    throw new PaintError("This page cannot paint films: use impasto video on the command line.");
  }
  if (typeof VideoEncoder === "undefined" || typeof VideoDecoder === "undefined") {
    throw new PaintError(
      window.isSecureContext
        ? "This browser cannot paint films (it has no WebCodecs): use impasto video on the " +
          "command line."
        : "Browsers paint films only over HTTPS or on this machine: open this page with " +
          "https:// or at localhost, or use impasto video on the command line.",
    );
  }
  try {
    return await import(new URL(address, document.baseURI).href);
  } catch {
    throw new PaintError("A part of the page could not be loaded: are you online?");
  }
}

/**
 * The sound tracks that an MP4 holds, and a remark on the others.
 *
 * @param {Mediabunny} bunny
 * @param {import("mediabunny").Input} input
 */
async function soundsOf(bunny, input) {
  const held = new bunny.Mp4OutputFormat().getSupportedAudioCodecs();
  const sounds = [];
  const left = [];
  for (const track of await input.getAudioTracks()) {
    const codec = await track.getCodec();
    if (codec && held.includes(codec)) sounds.push(track);
    else left.push(codec ?? "an unknown codec");
  }
  const remark = left.length ? `its sound in ${left.join(", ")} is left out` : "";
  return { sounds, remark };
}
