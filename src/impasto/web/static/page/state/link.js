// @ts-check
/** Settings in the address of the page: only what differs from the defaults, in words. */

import { DEFAULTS, MAX_STYLES, MIN_SIZE, RANGES, inside } from "./settings.js";

/** @typedef {import("../types").Settings} Settings */

/**
 * What this page knows, so that a link of another page is understood as far as it can be.
 *
 * @typedef {object} Known
 * @property {string[]} models
 * @property {string[]} styles ids of the gallery
 * @property {string[]} colors names of color methods
 */

/**
 * The settings as the part of an address behind `#`. Styles that the user brought are in no
 * gallery, so they are left out.
 *
 * @param {Readonly<Settings>} settings
 * @param {string[]} gallery ids of the styles that every visitor has
 * @returns {string}
 */
export function writeLink(settings, gallery) {
  /** @type {[string, string][]} */
  const parts = [["model", settings.model]];
  const styles = settings.styles.filter((style) => gallery.includes(style));
  if (styles.length) parts.push(["style", styles.map(encodeURIComponent).join(",")]);
  if (styles.length > 1) parts.push(["pad", `${short(settings.pad.x)},${short(settings.pad.y)}`]);
  if (settings.alpha !== DEFAULTS.alpha) parts.push(["alpha", short(settings.alpha)]);
  if (settings.color) parts.push(["color", encodeURIComponent(settings.color)]);
  if (settings.coarse !== DEFAULTS.coarse) parts.push(["coarse", short(settings.coarse)]);
  if (settings.styleSize !== DEFAULTS.styleSize) {
    parts.push(["style-size", short(settings.styleSize)]);
  }
  if (settings.size !== null) parts.push(["size", short(settings.size)]);
  return `#${parts.map(([name, value]) => `${name}=${value}`).join("&")}`;
}

/**
 * The model that a link names, if this page has it; the styles are those of a model.
 *
 * @param {string} hash
 * @param {string[]} models
 * @returns {string | null}
 */
export function linkedModel(hash, models) {
  const model = parts(hash).get("model") ?? "";
  return models.includes(model) ? model : null;
}

/**
 * Read the settings from the part of an address behind `#`.
 *
 * @param {string} hash
 * @param {Readonly<Settings>} start what holds where the link says nothing
 * @param {Known} known
 * @returns {{settings: Settings, problem: string}} problem: one sentence about all that is unknown
 *   here, for which `start` holds; "" for none
 */
export function readLink(hash, start, known) {
  /** @type {Settings} */
  const settings = structuredClone(start);
  /** @type {string[]} */
  const unknown = [];
  const given = parts(hash);
  for (const [name, value] of given) {
    if (name === "model") {
      if (known.models.includes(value)) settings.model = value;
      else unknown.push(`model ${value}`);
    } else if (name === "style") {
      const names = [...new Set(value.split(",").map(decoded).filter((each) => each !== ""))];
      const found = names.filter((each) => known.styles.includes(each)).slice(0, MAX_STYLES);
      if (found.length) settings.styles = found;
      for (const each of names) if (!found.includes(each)) unknown.push(`style ${each}`);
    } else if (name === "pad") {
      const [x, y, ...more] = value.split(",").map(number);
      if (more.length || !Number.isFinite(x) || !Number.isFinite(y)) unknown.push(`pad ${value}`);
      else settings.pad = { x: inside(x, UNIT), y: inside(y, UNIT) };
    } else if (name === "color") {
      const method = decoded(value);
      if (known.colors.includes(method)) settings.color = method;
      else unknown.push(`color ${method}`);
    } else if (name === "alpha" || name === "coarse" || name === "style-size") {
      const field = name === "style-size" ? "styleSize" : name;
      const wanted = number(value);
      const range = RANGES[field];
      if (!Number.isFinite(wanted) || wanted !== inside(wanted, range)) {
        unknown.push(`${name} ${value}`);
      } else {
        settings[field] = field === "styleSize" ? Math.round(wanted) : wanted;
      }
    } else if (name === "size") {
      const wanted = Math.round(number(value));
      if (wanted >= MIN_SIZE) settings.size = wanted;
      else unknown.push(`size ${value}`);
    } else {
      unknown.push(name);
    }
  }
  const problem = unknown.length
    ? `The link has settings that this page does not know (${unknown.slice(0, 3).join(", ")}` +
      `${unknown.length > 3 ? ", …" : ""}); all others are set.`
    : "";
  return { settings, problem };
}

const UNIT = { min: 0, max: 1, step: 0 };

/**
 * @param {string} hash
 * @returns {Map<string, string>}
 */
function parts(hash) {
  const found = new Map();
  for (const part of hash.replace(/^#/, "").split("&")) {
    const [name, ...value] = part.split("=");
    if (name) found.set(name, value.join("="));
  }
  return found;
}

/** @param {string} value */
function decoded(value) {
  try {
    return decodeURIComponent(value);
  } catch {
    return value; // a stray percent sign
  }
}

/** @param {string} value */
function number(value) {
  return value.trim() === "" ? NaN : Number(value);
}

/**
 * @param {number} value
 * @returns {string} with at most three decimals
 */
export function short(value) {
  return String(Math.round(value * 1000) / 1000);
}
