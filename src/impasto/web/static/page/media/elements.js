// @ts-check
/** What both panels are made of. */

import { make } from "../panel/dom.js";

/**
 * A button.
 *
 * @param {string} text
 * @param {() => void} act
 * @param {string} className
 */
export function button(text, act, className = "") {
  const element = make("button", { type: "button", className }, text);
  element.addEventListener("click", act);
  return element;
}

/**
 * A choice of one of several values.
 *
 * @param {string} label
 * @param {[value: string, title: string][]} values
 * @param {string} chosen
 * @param {(value: string) => void} choose
 */
export function choice(label, values, chosen, choose) {
  const select = make("select");
  select.append(...values.map(([value, title]) => new Option(title, value, false, value === chosen)));
  select.addEventListener("change", () => choose(select.value));
  const element = make("label", { className: "media-choice" }, make("span", {}, label), select);
  return { element, select };
}

/**
 * Offer a file to be kept.
 *
 * @param {Blob} blob
 * @param {string} name
 */
export function download(blob, name) {
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/**
 * A picture as large as the stage lets it be, with what lies upon it. Its shape is set by
 * {@link setShape}.
 *
 * @param {...HTMLElement} children
 */
export function frame(...children) {
  return make("div", { className: "media-frame" }, ...children);
}

/** @param {HTMLElement} element of `frame` @param {number} width @param {number} height */
export function setShape(element, width, height) {
  element.style.setProperty("--ratio", String(width / height));
}

/** @param {number} seconds such as 75.2, in "1:15" */
export function clock(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const rest = String(whole % 60).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

/** @param {number} bytes */
export function megabytes(bytes) {
  const millions = Math.max(0.1, bytes / 1e6);
  return `${millions < 10 ? millions.toFixed(1) : Math.round(millions)}\u00a0MB`;
}

/**
 * Width and height of a picture whose shorter side is at most `size`, both even, as films need.
 *
 * @param {number} width
 * @param {number} height
 * @param {number} size
 */
export function within(width, height, size) {
  const scale = Math.min(1, size / Math.min(width, height));
  /** @param {number} side */
  const even = (side) => Math.max(2, 2 * Math.round((side * scale) / 2));
  return { width: even(width), height: even(height) };
}
