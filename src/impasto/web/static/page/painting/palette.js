// @ts-check
/**
 * The photograph in the colors of styles, nothing painted: the color method `only`. No model has a
 * say in it; see painting/palette.py.
 */
import { applyPalettes, paletteTo } from "../controls/color/index.js";
import { StyleMap } from "../controls/regions.js";
import { survey } from "./survey.js";
import { keepPhotograph, paintedShare } from "./tiles.js";

/**
 * @typedef {import("../types").Source} Source
 * @typedef {import("./adain.js").Controls} Controls
 * @typedef {import("./tiles.js").PaintedTile} PaintedTile
 * @typedef {import("./tiles.js").Watch} Watch
 */

/** Pixels that are looked at at a time, in whole rows. */
const PIXELS = 1 << 20;

/**
 * Give a photograph the palettes of styles, strip by strip from the top.
 *
 * @param {Source} source
 * @param {Source[]} styles pictures whose palettes are taken
 * @param {Controls} controls
 * @param {Watch} [watch] called after every strip
 * @returns {AsyncGenerator<PaintedTile>}
 */
export async function* paintPalette(source, styles, controls, watch) {
  const { height, width } = source;
  const amounts = new StyleMap(controls, styles.length, height, width);
  const step = Math.max(1, Math.floor(PIXELS / width));
  const columns = { start: 0, stop: width };
  const strips = [];
  for (let top = 0; top < height; top += step) {
    strips.push({ rows: { start: top, stop: Math.min(top + step, height) }, columns });
  }
  const found = survey(source, amounts.regions, controls.color, strips);
  const maps = styles.map((style, k) => {
    const whole = [
      { start: 0, stop: style.height },
      { start: 0, stop: style.width },
    ];
    return paletteTo(found.colors[k], style.window(whole[0], whole[1]));
  });
  for (const [number, { rows }] of strips.entries()) {
    const { image, alpha } = source.window(rows, columns);
    const spread = amounts.window(rows, columns);
    const place = { rows: { start: 0, stop: rows.stop - rows.start }, columns };
    const share = paintedShare(spread, place, found.opacity ? alpha : null);
    const painted = applyPalettes(image, maps, spread);
    keepPhotograph(painted, image, share.values);
    yield { rows, columns, image: painted };
    await watch?.((number + 1) / strips.length);
  }
}
