// @ts-check
/** Values that are kept while there is room, the ones that were used last. */

/** @template T */
export class Kept {
  /** @param {number} room bytes; the newest value is kept whatever it takes */
  constructor(room) {
    this._room = room;
    /** @type {Map<string, {value: T, bytes: number}>} in the order of their last use */
    this._values = new Map();
  }

  /** Bytes of all values together. */
  get held() {
    let sum = 0;
    for (const { bytes } of this._values.values()) sum += bytes;
    return sum;
  }

  /**
   * @param {string} key
   * @returns {T | null}
   */
  get(key) {
    const found = this._values.get(key);
    if (found === undefined) return null;
    this._values.delete(key);
    this._values.set(key, found);
    return found.value;
  }

  /**
   * @param {string} key
   * @param {T} value
   * @param {number} bytes
   */
  set(key, value, bytes) {
    this._values.delete(key);
    this._values.set(key, { value, bytes });
    for (const oldest of this._values.keys()) {
      if (oldest === key || this.held <= this._room) break;
      this._values.delete(oldest);
    }
  }

  /** @param {(key: string) => boolean} chosen */
  forget(chosen) {
    for (const key of [...this._values.keys()].filter(chosen)) this._values.delete(key);
  }
}
