// @ts-check
/** The page: opens the painter, builds the panel, and joins both with the picture. */

import "./view/brush.js";
import "./view/compare.js";
import "./view/pad.js";
import { cancelled } from "./errors.js";
import { settled } from "./isolation.js";
import { openPainter } from "./painters/open.js";
import { colors } from "./panel/colors.js";
import { find } from "./panel/dom.js";
import { files } from "./panel/files.js";
import { gallery } from "./panel/gallery.js";
import { live } from "./panel/live.js";
import { masks } from "./panel/masks.js";
import { complain, quiet } from "./panel/notice.js";
import { saving } from "./panel/save.js";
import { stage } from "./panel/stage.js";
import { strip } from "./panel/strip.js";
import { strokes } from "./panel/strokes.js";
import { tabs } from "./panel/tabs.js";
import { welcome } from "./panel/welcome.js";
import { Session } from "./state/session.js";

/** @typedef {import("./panel/files.js").Named} Named */

const { body } = document;

/** @param {Promise<unknown>} work whose error is shown */
async function tried(work) {
  try {
    await work;
  } catch (error) {
    if (!cancelled(error)) complain(error);
  }
}

async function open() {
  await settled;
  return Session.open(await openPainter(), location.hash);
}

/**
 * @param {Session} session
 * @param {string} problem with the link, "" for none
 */
function build(session, problem) {
  const { store, photos } = session;
  if (problem) complain(problem);

  // --- what is seen ---------------------------------------------------------------------------

  const compare = /** @type {import("./view/compare.js").CompareView} */ (
    document.getElementById("compare")
  );
  const brush = /** @type {import("./view/brush.js").MaskBrush} */ (
    document.getElementById("brush")
  );
  brush.view = compare;
  const working = stage(session, compare);
  strip(session);

  /** @param {Named[]} brought */
  const bringStyles = (brought) => {
    quiet();
    void tried(session.addStyles(brought));
  };
  gallery(session, bringStyles);
  strokes(session);
  colors(session);
  const { stop: stopBrush, names: maskNames } = masks(session, brush);
  saving(session, { maskNames, working });
  const openPart = tabs(find("tabs", HTMLElement), (part) => {
    body.dataset.part = part;
    if (part !== "part-masks") stopBrush();
  });

  const modes = live(session, openPart);
  welcome(session, { camera: () => void modes.startCamera(), tried });

  const showState = () => {
    const first = photos.entries.length === 0;
    body.dataset.state = first ? "welcome" : "painting";
    find("welcome", HTMLElement).hidden = !first;
    find("view", HTMLElement).hidden = first;
    find("save-now", HTMLButtonElement).hidden = first;
    find("copy-command", HTMLButtonElement).hidden = first;
    find("add", HTMLButtonElement).hidden = first;
  };
  photos.addEventListener("change", showState);
  showState();

  // --- undo, and the settings in the address --------------------------------------------------

  const undo = find("undo", HTMLButtonElement);
  const redo = find("redo", HTMLButtonElement);
  undo.addEventListener("click", () => store.undo());
  redo.addEventListener("click", () => store.redo());
  document.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.altKey) return;
    const key = event.key.toLowerCase();
    if (key !== "z" && !(key === "y" && !event.shiftKey)) return;
    event.preventDefault();
    if (key === "y" || event.shiftKey) store.redo();
    else store.undo();
  });

  const keepLink = () => {
    const { link } = session;
    if (link !== location.hash) history.replaceState(null, "", link);
  };
  const showSteps = () => {
    undo.disabled = !store.canUndo;
    redo.disabled = !store.canRedo;
  };
  store.addEventListener("change", (event) => {
    if (/** @type {CustomEvent} */ (event).detail.transient) return;
    showSteps();
    keepLink();
  });
  session.addEventListener("problem", (event) => complain(/** @type {CustomEvent} */ (event).detail));
  window.addEventListener("hashchange", () => {
    const read = session.follow(location.hash);
    if (read.problem) complain(read.problem);
  });
  store.forgetSteps();
  showSteps();
  keepLink();
  body.dataset.ready = "";
  return {
    photos: (/** @type {Named[]} */ brought) => {
      quiet();
      modes.open("photo");
      void tried(photos.add(brought));
    },
    styles: bringStyles,
    film: modes.openFilm,
  };
}

const built = open().then(({ session, problem }) => build(session, problem));
// Files may come before anything else is there.
files({
  photos: (brought) => void tried(built.then((takers) => takers.photos(brought))),
  styles: (brought) => void tried(built.then((takers) => takers.styles(brought))),
  film: (film) => void tried(built.then((takers) => takers.film(film))),
});
void tried(built);
