// @ts-check
/** The settings as the line of the command that paints the same picture. */

import { short } from "./link.js";
import { DEFAULTS, QUALITY, weightsOf } from "./settings.js";

/** @typedef {import("../types").Settings} Settings */

/**
 * What a line needs beside the settings: names of files.
 *
 * @typedef {object} Names
 * @property {string[]} photos files of the photographs
 * @property {(style: string) => string | null} styleFile file of a style that the user brought;
 *   null for one of the gallery
 * @property {(string | null)[]} masks files of the masks, one for each style; empty: none
 * @property {string} out file of the result, or a folder for several
 * @property {number | null} quality null: the format has none
 */

/**
 * The line, quoted for a POSIX shell. Several words that are the default are left out.
 *
 * @param {Readonly<Settings>} settings
 * @param {Names} names
 * @returns {string}
 */
export function commandLine(settings, names) {
  const words = ["impasto", "stylize", ...names.photos.map(file)];
  let pictures = false;
  for (const style of settings.styles) {
    const own = names.styleFile(style);
    words.push("-s", own === null ? style : ownStyle(own));
    pictures ||= own !== null && !isStyleFile(own);
  }
  const weights = weightsOf(settings).map(short);
  if (new Set(weights).size > 1) words.push("--weights", weights.join(","));
  for (const mask of names.masks) if (mask !== null) words.push("--mask", file(mask));
  if (settings.alpha !== DEFAULTS.alpha) words.push("--alpha", short(settings.alpha));
  if (settings.color !== null) words.push("--color", settings.color);
  if (settings.coarse !== DEFAULTS.coarse) words.push("--coarse", short(settings.coarse));
  // Styles of the gallery and style files were read once, in one size.
  if (pictures && settings.styleSize !== DEFAULTS.styleSize) {
    words.push("--style-size", short(settings.styleSize));
  }
  if (settings.size !== null) words.push("--size", short(settings.size));
  if (names.quality !== null && names.quality !== QUALITY) {
    words.push("--quality", short(names.quality));
  }
  if (settings.model !== DEFAULTS.model) words.push("--model", settings.model);
  words.push("-o", file(names.out));
  return words.map(quoted).join(" ");
}

/**
 * What the file of a result is called: PHOTO-STYLE, as the command calls it.
 *
 * @param {string} photo name of the photograph's file
 * @param {string[]} styles names of the styles, or of their files
 * @param {string} suffix such as ".png"
 * @returns {string}
 */
export function resultName(photo, styles, suffix) {
  return `${stem(photo)}${styles.map((style) => `-${stem(style)}`).join("")}${suffix}`;
}

/**
 * A name without its suffix.
 *
 * @param {string} name
 */
export function stem(name) {
  return name.replace(/(?<=.)\.[A-Za-z0-9]{1,11}$/, "");
}

/** @param {string} name */
export function isStyleFile(name) {
  return name.toLowerCase().endsWith(".safetensors");
}

/**
 * A name that no shell changes: in single quotes, where it has more than plain letters.
 *
 * @param {string} word
 */
export function quoted(word) {
  if (/^[A-Za-z0-9_@%+:,./-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/**
 * A file in the folder that one is in; a dash in front would be an option.
 *
 * @param {string} name
 */
function file(name) {
  return name.startsWith("-") ? `./${name}` : name;
}

/**
 * A file that is a style: without a suffix it could be the name of one.
 *
 * @param {string} name
 */
function ownStyle(name) {
  return /^[A-Za-z0-9_-]+$/.test(name) ? `./${name}` : file(name);
}
