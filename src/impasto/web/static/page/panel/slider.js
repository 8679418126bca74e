// @ts-check
import { inside } from "../state/settings.js";
import { make } from "./dom.js";

/** @typedef {import("../state/settings.js").Range} Range */

/**
 * A slider with its label and its value; a double click puts it back. Keys are those of every
 * slider: arrows, Page Up and Down, Home and End.
 */
export class Slider {
  /** @type {HTMLElement} */
  element;
  #input;
  #output;
  #words;
  #range;

  /**
   * @param {object} options
   * @param {string} options.label
   * @param {Range} options.range
   * @param {number} options.start what a double click gives
   * @param {(value: number) => string} options.words the value, as it is shown
   * @param {(value: number, transient: boolean) => void} options.turned called at every turn;
   *   transient: more of the same turn follows
   * @param {string} [options.hint]
   */
  constructor({ label, range, start, words, turned, hint }) {
    const id = `slider-${label.toLowerCase().replaceAll(" ", "-")}`;
    this.#words = words;
    this.#range = range;
    this.#input = make("input", {
      type: "range",
      id,
      min: String(range.min),
      max: String(range.max),
      step: String(range.step),
      title: `Double-click to reset to ${words(start)}`,
    });
    this.#output = make("output", {});
    this.#output.htmlFor.add(id);
    const head = make("label", { htmlFor: id }, label);
    this.element = make("div", { className: "slider" }, head, this.#output, this.#input);
    if (hint) {
      const line = make("p", { className: "hint", id: `${id}-hint` }, hint);
      this.#input.setAttribute("aria-describedby", line.id);
      this.element.append(line);
    }
    this.value = start;
    this.#input.addEventListener("input", () => {
      this.#show();
      turned(this.value, true);
    });
    this.#input.addEventListener("change", () => turned(this.value, false));
    this.#input.addEventListener("dblclick", () => {
      this.value = start;
      turned(start, false);
    });
  }

  get value() {
    return Number(this.#input.value);
  }

  set value(value) {
    this.#input.value = String(inside(value, this.#range));
    this.#show();
  }

  /** @param {boolean} disabled */
  set disabled(disabled) {
    this.#input.disabled = disabled;
    this.element.classList.toggle("is-disabled", disabled);
  }

  #show() {
    const { min, max } = this.#range;
    const text = this.#words(this.value);
    this.#output.textContent = text;
    this.#input.setAttribute("aria-valuetext", text);
    const share = (this.value - min) / (max - min);
    this.#input.style.setProperty("--share", `${100 * share}%`);
  }
}
