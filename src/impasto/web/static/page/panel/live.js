// @ts-check
import { quoted } from "../state/command.js";
import { find } from "./dom.js";
import { complain } from "./notice.js";

/** @typedef {import("../state/session.js").Session} Session */
/** @typedef {"photo" | "camera" | "film"} Mode */

/**
 * The three things that are painted. Camera and film are loaded when they are opened first, and
 * removed when they are left, which stops the camera.
 *
 * @param {Session} session
 * @param {(part: string) => void} openPart
 */
export function live(session, openPart) {
  const inputs = [...find("modes", HTMLElement).querySelectorAll("input")];
  const places = {
    camera: find("camera-place", HTMLElement),
    film: find("film-place", HTMLElement),
  };
  /** @type {Mode} */
  let mode = "photo";
  /** @type {import("../media/camera.js").CameraPanel | import("../media/film.js").FilmPanel | null} */
  let panel = null;

  const films = session.painter.site.films !== null;
  for (const input of inputs) {
    if (input.value === "film" && !films && input.parentElement) input.parentElement.hidden = true;
  }

  /** @param {Mode} next */
  async function open(next) {
    if (next === mode) return;
    mode = next;
    document.body.dataset.mode = mode;
    for (const input of inputs) input.checked = input.value === mode;
    panel?.remove();
    panel = null;
    places.camera.hidden = mode !== "camera";
    places.film.hidden = mode !== "film";
    for (const each of document.querySelectorAll(".tabs .of-photo")) {
      if (each instanceof HTMLElement) each.hidden = mode !== "photo";
    }
    if (mode === "photo") return;
    openPart("part-style");
    try {
      if (mode === "camera") await openCamera();
      else await openFilmPanel();
    } catch (error) {
      complain(error);
    }
  }

  async function openCamera() {
    const { CameraPanel } = await import("../media/camera.js");
    if (mode !== "camera") return;
    const camera = new CameraPanel();
    camera.painter = session.painter;
    camera.look = session.liveLook;
    panel = camera;
    places.camera.replaceChildren(camera);
  }

  async function openFilmPanel() {
    const { FilmPanel } = await import("../media/film.js");
    if (mode !== "film") return null;
    const film = new FilmPanel();
    film.painter = session.painter;
    film.site = session.painter.site;
    film.look = session.liveLook;
    panel = film;
    places.film.replaceChildren(film);
    return film;
  }

  session.store.addEventListener("change", () => {
    if (panel) panel.look = session.liveLook;
  });
  for (const input of inputs) {
    input.addEventListener("change", () => void open(/** @type {Mode} */ (input.value)));
  }
  return {
    open: (/** @type {Mode} */ next) => void open(next),
    /** Start the camera at once: one has asked for it. */
    startCamera: async () => {
      await open("camera");
      if (panel && "start" in panel) void panel.start();
    },
    openFilm: async (/** @type {File} */ file) => {
      if (!films) {
        complain(`This page cannot paint films: use impasto video ${quoted(file.name)}.`);
        return;
      }
      await open("film");
      if (panel && "open" in panel) void panel.open(file);
    },
  };
}
