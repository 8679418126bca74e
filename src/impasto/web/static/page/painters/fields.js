// @ts-check
/** What a server is asked for, as the fields of a form; see web/forms.py. */

/**
 * @typedef {import("../types").Look} Look
 * @typedef {import("../types").Plane} Plane
 */

/**
 * A field: its name, its value, and the name of a file.
 *
 * @typedef {[name: string, value: string | Blob, file?: string]} Field
 */

/**
 * The fields of a look.
 *
 * @param {Look} look
 * @param {Field[]} styles the fields of its styles
 * @returns {Promise<Field[]>}
 */
export async function lookFields(look, styles) {
  /** @type {Field[]} */
  const fields = [
    ["model", look.model],
    ...styles,
    ["coarse", String(look.coarse)],
    ["style_size", String(look.styleSize)],
  ];
  if (look.styles.length > 1) fields.push(["weights", look.weights.map(String).join(",")]);
  if (look.color !== null) fields.push(["color", look.color]);
  if (typeof look.alpha === "number") fields.push(["alpha", String(look.alpha)]);
  else fields.push(["alpha", await planeFile(look.alpha), "strength.png"]);
  if (look.masks.some((mask) => mask !== null)) {
    for (const [i, mask] of look.masks.entries()) {
      fields.push(["mask", await planeFile(mask ?? EVERYWHERE), `mask-${i + 1}.png`]);
    }
  }
  return fields;
}

/**
 * A form of fields.
 *
 * @param {Field[]} fields
 * @returns {FormData}
 */
export function formOf(fields) {
  const form = new FormData();
  for (const [name, value, file] of fields) {
    if (typeof value === "string") form.append(name, value);
    else form.append(name, value, file ?? name);
  }
  return form;
}

/**
 * The same fields as JSON, for live frames.
 *
 * @param {Field[]} fields
 * @returns {Promise<string>}
 */
export async function jsonOf(fields) {
  /** @type {Record<string, unknown>} */
  const found = {};
  for (const [name, value, file] of fields) {
    const given = typeof value === "string" ? value : { file: await base64(value), name: file };
    const before = found[name];
    if (before === undefined) found[name] = given;
    else if (Array.isArray(before)) before.push(given);
    else found[name] = [before, given];
  }
  return JSON.stringify(found);
}

/** A mask that covers everything: it is stretched to the picture. @type {Plane} */
const EVERYWHERE = { width: 1, height: 1, data: new Float32Array([1]) };

/**
 * A mask or a map of strength as a gray picture.
 *
 * @param {Plane} plane
 * @returns {Promise<Blob>}
 */
async function planeFile({ width, height, data }) {
  const pixels = new Uint8ClampedArray(4 * width * height);
  for (let i = 0; i < data.length; i += 1) {
    pixels.fill(255 * data[i], 4 * i, 4 * i + 3); // rounded by the array
    pixels[4 * i + 3] = 255;
  }
  const canvas = new OffscreenCanvas(width, height);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.putImageData(new ImageData(pixels, width, height), 0, 0);
  return canvas.convertToBlob({ type: "image/png" });
}

/**
 * @param {Blob} blob
 * @returns {Promise<string>}
 */
async function base64(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let text = "";
  for (let i = 0; i < bytes.length; i += 0x8000) {
    text += String.fromCharCode(...bytes.subarray(i, i + 0x8000)); // as many as arguments may be
  }
  return btoa(text);
}
