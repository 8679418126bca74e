// @ts-check
import { find, percent } from "./dom.js";
import { complain, say } from "./notice.js";

/** @typedef {import("../state/session.js").Session} Session */
/** @typedef {import("../state/paintings.js").Shown} Shown */
/** @typedef {import("../view/compare.js").CompareView} CompareView */
/** @typedef {import("./save.js").Work} Work */

const ZOOM_STEP = 1.5;
/** What takes less is not worth a word beside the thin line. */
const SPOKEN_OF_MS = 600;
/** Lines about the progress are said to screen readers no more often. */
const SAID_MS = 4000;

/**
 * The picture before and after, how far the painting is, and the zoom.
 *
 * @param {Session} session
 * @param {CompareView} compare
 * @returns {(work: Work | null) => void} shows what is being saved
 */
export function stage(session, compare) {
  const { photos, paintings } = session;
  const bar = find("progress", HTMLElement);
  const filled = /** @type {HTMLElement} */ (bar.firstElementChild);
  const state = find("state", HTMLElement);
  const line = find("state-line", HTMLElement);
  const button = find("state-button", HTMLButtonElement);
  /** @type {Work | null} */
  let work = null;
  /** @type {number | null} */
  let share = null;
  let preview = false;
  let failed = false;
  let said = 0;
  let begun = 0;
  let later = 0;
  /** @type {string | undefined} */
  let photo;

  async function showPhoto() {
    const { current } = photos;
    if (current?.id === photo) return;
    photo = current?.id;
    // At once: pictures of a photograph that is taken out are closed.
    compare.photograph = null;
    if (!current || shown?.photo !== current) compare.painting = null;
    if (!current) return;
    try {
      const bitmap = await photos.bitmap(current);
      if (photos.current !== current) return;
      compare.pictureSize = session.sizeOf(current);
      compare.photograph = bitmap;
      compare.fit();
    } catch (error) {
      complain(error);
    }
  }

  /** @type {Shown | null} */
  let shown = null;
  const { dataset } = document.body;
  paintings.addEventListener("wanted", () => (dataset.painted = ""));
  paintings.addEventListener("painted", (event) => {
    shown = /** @type {CustomEvent<Shown>} */ (event).detail;
    if (shown.photo !== photos.current) return;
    compare.pictureSize = session.sizeOf(shown.photo);
    compare.painting = shown.bitmap;
    preview = !shown.whole;
    dataset.painted = preview ? "preview" : "whole";
    failed = false;
    show();
    if (shown.whole) say("Painted.");
  });
  paintings.addEventListener("progress", (event) => {
    const next = /** @type {CustomEvent<number | null>} */ (event).detail;
    if (share === null && next !== null) {
      begun = performance.now();
      later = window.setTimeout(show, SPOKEN_OF_MS);
    }
    if (next === null) clearTimeout(later);
    share = next;
    show();
  });
  paintings.addEventListener("problem", (event) => {
    failed = true;
    complain(/** @type {CustomEvent} */ (event).detail);
    show();
  });
  photos.addEventListener("change", () => void showPhoto());

  button.addEventListener("click", () => {
    if (work) work.cancel();
    else if (share !== null) paintings.cancel();
    else paintings.resume();
    find("stage", HTMLElement).focus();
  });

  function show() {
    const now = work ? work.share : share;
    bar.hidden = now === null;
    if (now !== null) {
      filled.style.setProperty("--share", String(now));
      bar.setAttribute("aria-valuenow", String(Math.round(100 * now)));
    }
    const resumable = preview && share === null && !failed && !paintings.rests;
    const long = work !== null || performance.now() - begun >= SPOKEN_OF_MS;
    state.hidden = now === null ? !resumable : !long;
    if (work) line.textContent = `${work.line}, ${percent(work.share)}`;
    else if (share !== null) line.textContent = `Painting the whole picture, ${percent(share)}`;
    else if (resumable) line.textContent = "Preview only";
    button.textContent = now === null ? "Paint in full" : "Cancel";
    if (work && performance.now() - said > SAID_MS) {
      said = performance.now();
      say(line.textContent ?? "");
    }
  }

  // --- zoom -----------------------------------------------------------------------------------

  const fit = find("zoom-fit", HTMLButtonElement);
  const whole = find("zoom-whole", HTMLButtonElement);
  fit.addEventListener("click", () => compare.fit());
  whole.addEventListener("click", () => compare.zoomTo(1));
  find("zoom-in", HTMLButtonElement).addEventListener("click", () => {
    compare.zoomTo(compare.scale * ZOOM_STEP);
  });
  find("zoom-out", HTMLButtonElement).addEventListener("click", () => {
    compare.zoomTo(compare.scale / ZOOM_STEP);
  });
  compare.addEventListener("viewchange", () => {
    whole.textContent = percent(compare.scale);
    fit.setAttribute("aria-pressed", String(compare.fitted));
  });

  void showPhoto();
  return (next) => {
    work = next;
    show();
  };
}
