// @ts-check
/** The one kind of error that is shown to the user: what is wrong, and what mends it. */
export class PaintError extends Error {
  /** @param {string} message one sentence for the user */
  constructor(message) {
    super(message);
    this.name = "PaintError";
  }
}

/**
 * The sentence to show for whatever was thrown.
 *
 * @param {unknown} error
 * @returns {string}
 */
export function sentence(error) {
  if (error instanceof PaintError) return error.message;
  if (error instanceof Error && error.name === "PaintError") return error.message; // of a worker
  const reason = error instanceof Error ? error.message : String(error);
  return `Something went wrong in the page itself: ${reason || "no reason was given"}.`;
}

/**
 * Whether work was cancelled, which is no error.
 *
 * @param {unknown} error
 */
export function cancelled(error) {
  return error instanceof Error && error.name === "AbortError";
}
