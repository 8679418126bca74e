// @ts-check
import { sentence } from "../errors.js";
import { find } from "./dom.js";

const bar = find("notice", HTMLElement);
const line = find("notice-line", HTMLElement);
const dismiss = find("notice-dismiss", HTMLButtonElement);
const spoken = find("spoken", HTMLElement);

dismiss.addEventListener("click", () => quiet());

/**
 * Show one sentence about what went wrong, until it is dismissed.
 *
 * @param {unknown} error an error, or the sentence
 */
export function complain(error) {
  line.textContent = typeof error === "string" ? error : sentence(error);
  bar.hidden = false;
}

/** Take the sentence away. */
export function quiet() {
  if (bar.contains(document.activeElement)) find("stage", HTMLElement).focus();
  bar.hidden = true;
  line.textContent = "";
}

/**
 * Say a line to those who do not see the page.
 *
 * @param {string} text
 */
export function say(text) {
  spoken.textContent = text;
}

let gone = 0;

/**
 * Show and say a line that goes away by itself.
 *
 * @param {string} text
 */
export function flash(text) {
  const toast = find("toast", HTMLElement);
  toast.textContent = text;
  toast.hidden = false;
  clearTimeout(gone);
  gone = window.setTimeout(() => (toast.hidden = true), 2600);
  say(text);
}
