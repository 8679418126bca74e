// @ts-check
/**
 * A gray picture of 8 bits as a PNG. A canvas would write one in color, and some browsers change
 * what is read from a canvas a little, so that nobody can be told by it.
 */

import { pngChunk } from "../images/containers.js";

const SIGNATURE = new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/**
 * @param {number} width
 * @param {number} height
 * @param {Uint8ClampedArray} values row by row; 255 is white
 * @returns {Promise<Blob>}
 */
export async function grayPng(width, height, values) {
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header[8] = 8; // bits; the rest is 0: gray, deflated, rows filtered each for itself, in order
  const rows = new Uint8Array(height * (width + 1));
  for (let y = 0; y < height; y++) {
    const from = y * width;
    const to = y * (width + 1);
    rows[to] = 1; // each pixel less the one before it
    for (let x = 0, left = 0; x < width; x++) {
      rows[to + 1 + x] = values[from + x] - left;
      left = values[from + x];
    }
  }
  const packed = new Blob([rows]).stream().pipeThrough(new CompressionStream("deflate"));
  const data = new Uint8Array(await new Response(packed).arrayBuffer());
  const end = pngChunk("IEND", new Uint8Array(0));
  const parts = [SIGNATURE, pngChunk("IHDR", header), pngChunk("IDAT", data), end];
  return new Blob(parts, { type: "image/png" });
}
