// @ts-check
/** Color control, from one place: its methods, moments of colors, and where they act. */

export { applyPalettes, matchColors, needsModel, needsPicture } from "./matching.js";
export { paletteTo, pixelCounts, restoreColors } from "./matching.js";
export { METHODS, findMethod, linearMap, putLuminance } from "./methods.js";
export { ColorMoments, applyMap } from "./moments.js";
export { applyPalette, paletteMap, paletteOf } from "./palette.js";
