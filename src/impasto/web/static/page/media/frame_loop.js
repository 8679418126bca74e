// @ts-check
/**
 * Frames of a camera, painted one after the other. The newest frame wins and none waits: where the
 * painter is slower than the camera, frames are left out.
 */

/** Below so many seconds a frame, a second one is on its way while the first is painted. */
const QUICK = 0.2;
/** How long the rate looks back, in seconds. */
const LOOKS_BACK = 2;

export class FrameLoop {
  #video;
  #paint;
  #show;
  #fail;
  #running = false;
  /** Whether the camera has given a frame that nobody has taken. */
  #fresh = false;
  #flying = 0;
  /** @type {(() => void)[]} work that waits until no frame is on its way */
  #waiting = [];
  #next = 0;
  #shown = -1;
  #seconds = Infinity;
  /** @type {number[]} moments at which frames were shown */
  #moments = [];

  /**
   * @param {HTMLVideoElement} video which plays
   * @param {() => Promise<ImageBitmap>} paint take the frame of this moment and paint it
   * @param {(painted: ImageBitmap) => void} show in the order in which they were taken
   * @param {(error: unknown) => void} fail
   */
  constructor(video, paint, show, fail) {
    this.#video = video;
    this.#paint = paint;
    this.#show = show;
    this.#fail = fail;
  }

  start() {
    this.#running = true;
    this.#wait();
  }

  stop() {
    this.#running = false;
    this.#moments = [];
  }

  /** Frames a second, as they were shown during the last two seconds; 0 where none was. */
  get rate() {
    const now = performance.now() / 1000;
    this.#moments = this.#moments.filter((moment) => now - moment < LOOKS_BACK);
    if (this.#moments.length < 2) return 0;
    return (this.#moments.length - 1) / (now - this.#moments[0]);
  }

  /**
   * Work while no frame is painted.
   *
   * @template T
   * @param {() => Promise<T>} work
   */
  async alone(work) {
    if (this.#flying > 0) {
      await new Promise((resolve) => this.#waiting.push(() => resolve(null)));
    }
    this.#flying += 1;
    try {
      return await work();
    } finally {
      this.#landed();
    }
  }

  #landed() {
    this.#flying -= 1;
    if (this.#flying === 0 && this.#waiting.length > 0) this.#waiting.shift()?.();
    else this.#take();
  }

  #wait() {
    const arrived = () => {
      if (!this.#running) return;
      this.#fresh = true;
      this.#wait();
      this.#take();
    };
    if ("requestVideoFrameCallback" in HTMLVideoElement.prototype) {
      this.#video.requestVideoFrameCallback(arrived);
    } else {
      requestAnimationFrame(arrived);
    }
  }

  #take() {
    const most = this.#seconds < QUICK ? 2 : 1;
    while (this.#running && this.#fresh && this.#flying < most && !this.#waiting.length) {
      this.#fresh = false;
      void this.#fly();
    }
  }

  async #fly() {
    const number = this.#next++;
    const began = performance.now();
    this.#flying += 1;
    try {
      const painted = await this.#paint();
      if (this.#running && number > this.#shown) {
        this.#shown = number;
        this.#moments.push(performance.now() / 1000);
        this.#show(painted);
      }
      painted.close();
      const seconds = (performance.now() - began) / 1000;
      this.#seconds = Math.min(seconds, this.#seconds) * 0.5 + seconds * 0.5;
    } catch (error) {
      if (this.#running) this.#fail(error);
    } finally {
      this.#landed();
    }
  }
}
