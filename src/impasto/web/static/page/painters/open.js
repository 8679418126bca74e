// @ts-check
/** The painter of this page, as `site.json` says: a worker of this browser, or a server. */
import { PaintError } from "../errors.js";

/**
 * @typedef {import("../types").Painter} Painter
 * @typedef {import("../types").Site} Site
 */

/**
 * Read what page this is, and open what paints.
 *
 * @returns {Promise<Painter>}
 */
export async function openPainter() {
  const site = await readSite();
  if (site.home === "server") {
    const { ServerPainter } = await import("./server.js");
    return new ServerPainter(site);
  }
  const { DevicePainter } = await import("./device.js");
  return new DevicePainter(site);
}

/** @returns {Promise<Site>} */
async function readSite() {
  let answer;
  try {
    answer = await fetch(new URL("site.json", document.baseURI));
  } catch {
    answer = null;
  }
  if (!answer?.ok) {
    throw new PaintError("The page did not load completely: check the connection and reload.");
  }
  return answer.json();
}
