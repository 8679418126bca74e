// @ts-check
/** A worker that reads one mask; see mask_file.js. */

import { sentence } from "../errors.js";
import { openMask } from "./mask_file.js";

const scope = /** @type {Worker} */ (/** @type {unknown} */ (self));

scope.onmessage = async (/** @type {MessageEvent} */ { data }) => {
  try {
    const mask = await openMask(data.file, data.picture);
    scope.postMessage({ mask }, [mask.values.buffer]);
  } catch (error) {
    scope.postMessage({ problem: sentence(error) });
  }
};
