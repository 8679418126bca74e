// @ts-check
import { zip } from "../images/zip.js";
import { MaskLayer } from "../view/mask_layer.js";
import { find, icon, make, percent } from "./dom.js";
import { complain, say } from "./notice.js";
import { offer } from "./download.js";
import { stem } from "../state/command.js";
import { Slider } from "./slider.js";

/** @typedef {import("../state/session.js").Session} Session */
/** @typedef {import("../view/brush.js").MaskBrush} MaskBrush */

/** Diameter of the brush: shares of the photograph's shorter side. */
const BRUSH = { min: 0.01, max: 0.6, step: 0.01, start: 0.15 };
const SOFTNESS = { min: 0, max: 1, step: 0.05, start: 0.5 };

/**
 * The masks: where each style goes, painted with a brush, or read from a file.
 *
 * @param {Session} session
 * @param {MaskBrush} brush
 * @returns {{stop: () => void, names: () => (string | null)[]}} stop: paint no mask any more;
 *   names: files of the masks of this photograph, as they are saved; empty for none
 */
export function masks(session, brush) {
  const { store, photos } = session;
  /** @type {string | null} Style whose mask is painted. */
  let edited = null;
  /** @type {WeakMap<MaskLayer, string>} Names of files that masks were read from. */
  const readFrom = new WeakMap();
  const chooser = find("mask-file", HTMLInputElement);

  const list = make("ul", { className: "mask-list" });
  const size = new Slider({
    label: "Brush size",
    range: BRUSH,
    start: BRUSH.start,
    words: percent,
    turned: () => useBrush(),
  });
  const softness = new Slider({
    label: "Softness",
    range: SOFTNESS,
    start: SOFTNESS.start,
    words: percent,
    turned: () => useBrush(),
  });
  const ways = make("div", { className: "segments", role: "group" });
  ways.setAttribute("aria-label", "Brush");
  for (const [value, text] of [["paint", "Paint"], ["erase", "Erase"]]) {
    const input = make("input", { type: "radio", name: "brush", value });
    input.checked = value === "paint";
    input.addEventListener("change", () => useBrush());
    ways.append(make("label", {}, input, make("span", {}, make("b", {}, text))));
  }
  const tools = make("div", { className: "tool-grid" });
  /**
   * @param {string} name
   * @param {string} text
   * @param {() => void} act
   */
  const tool = (name, text, act) => {
    const button = make("button", { type: "button", className: "small" }, icon(name), text);
    button.addEventListener("click", act);
    tools.append(button);
  };
  tool("fill", "Fill", () => change((layer) => layer.fill(1)));
  tool("invert", "Invert", () => change((layer) => layer.invert()));
  tool("close", "Remove", () => remove());
  tool("open", "Load", () => chooser.click());
  tool("save", "Save", () => void saveMasks());
  const keys = make(
    "p",
    { className: "hint keys-hint" },
    make("kbd", {}, "["),
    " ",
    make("kbd", {}, "]"),
    " size, ",
    make("kbd", {}, "X"),
    " erase",
  );
  const editor = make(
    "div",
    { className: "mask-editor" },
    ways,
    size.element,
    softness.element,
    tools,
    keys,
  );
  const hint = make(
    "p",
    { className: "hint" },
    "Areas that no mask covers stay unpainted. Each photograph has its own masks.",
  );
  const heading = make("h2", {}, "Paint where each style goes");
  find("part-masks", HTMLElement).append(heading, list, editor, hint);

  function useBrush() {
    const photo = photos.current;
    const layer = photo && edited !== null ? store.mask(photo.id, edited) : null;
    brush.layer = layer;
    brush.softness = softness.value;
    brush.erase = ways.querySelector("input:checked")?.getAttribute("value") === "erase";
    if (photo) brush.size = size.value * Math.min(photo.width, photo.height);
  }

  /** @param {string} style */
  function edit(style) {
    const photo = photos.current;
    if (!photo) return;
    edited = edited === style ? null : style;
    if (edited !== null && store.mask(photo.id, style) === null) {
      store.setMask(photo.id, style, new MaskLayer(photo.width, photo.height));
    }
    show();
    if (edited) say(`Editing the mask of ${session.style(style).title}.`);
  }

  function stop() {
    edited = null;
    show();
  }

  /** @param {(layer: MaskLayer) => void} act */
  function change(act) {
    const photo = photos.current;
    const layer = photo && edited !== null ? store.mask(photo.id, edited) : null;
    if (!photo || !layer || edited === null) return;
    const before = layer.copy();
    act(layer);
    readFrom.delete(layer);
    store.maskPainted(photo.id, edited, before);
  }

  function remove() {
    const photo = photos.current;
    if (!photo || edited === null) return;
    const style = edited;
    edited = null;
    store.setMask(photo.id, style, null);
    say(`${session.style(style).title} now applies everywhere.`);
  }

  chooser.addEventListener("change", async () => {
    const [file] = chooser.files ?? [];
    chooser.value = "";
    const photo = photos.current;
    if (!file || !photo || edited === null) return;
    const style = edited;
    try {
      const layer = await MaskLayer.fromFile(file, photo);
      readFrom.set(layer, file.name);
      store.setMask(photo.id, style, layer);
    } catch (error) {
      complain(error);
    }
  });

  /** As the command wants them: one file for each style, white where it goes everywhere. */
  async function saveMasks() {
    const photo = photos.current;
    if (!photo) return;
    try {
      const files = await Promise.all(
        store.settings.styles.map(async (style, index) => {
          const layer = store.mask(photo.id, style) ?? new MaskLayer(photo.width, photo.height);
          const whole = layer.isEmpty ? layer.copy() : layer;
          if (whole !== layer) whole.fill(1);
          return { name: maskName(photo.name, index), blob: await whole.toFile() };
        }),
      );
      if (files.length === 1) offer(files[0].blob, files[0].name);
      else offer(await zip(files), `${stem(photo.name)}-masks.zip`);
    } catch (error) {
      complain(error);
    }
  }

  function names() {
    const photo = photos.current;
    if (!photo || session.masks(photo).every((mask) => mask === null)) return [];
    return store.settings.styles.map((style, index) => {
      const layer = store.mask(photo.id, style);
      return (layer && readFrom.get(layer)) ?? maskName(photo.name, index);
    });
  }

  brush.addEventListener("maskchange", (event) => {
    const photo = photos.current;
    if (!photo || edited === null) return;
    const { before } = /** @type {CustomEvent} */ (event).detail;
    if (brush.layer) readFrom.delete(brush.layer);
    store.maskPainted(photo.id, edited, before);
  });
  // The brush has keys of its own.
  brush.addEventListener("brushchange", () => showBrush());

  function showBrush() {
    const photo = photos.current;
    if (photo) size.value = brush.size / Math.min(photo.width, photo.height);
    for (const input of ways.querySelectorAll("input")) {
      input.checked = (input.value === "erase") === brush.erase;
    }
  }

  function show() {
    const photo = photos.current;
    if (edited !== null && !store.settings.styles.includes(edited)) edited = null;
    if (photo && edited !== null && store.mask(photo.id, edited) === null) edited = null;
    const planes = photo ? session.masks(photo) : [];
    list.replaceChildren(
      ...session.chosen.map((style, index) => {
        const now = edited === style.id;
        const layer = photo && store.mask(photo.id, style.id);
        const where = planes[index]
          ? "only where painted"
          : layer?.isEmpty
            ? "nothing painted yet: everywhere"
            : "everywhere";
        const button = make(
          "button",
          { type: "button", className: "small", "aria-pressed": String(now) },
          icon(now ? "check" : "masks"),
          now ? "Done" : "Paint",
          make("span", { className: "unseen" }, ` where ${style.title} goes`),
        );
        button.addEventListener("click", () => {
          edit(style.id);
          list.querySelectorAll("button")[index]?.focus(); // the list was made anew
        });
        return make(
          "li",
          { className: now ? "is-edited" : "" },
          make("img", { src: style.thumbnail, alt: "", width: 44, height: 44 }),
          make("span", {}, make("b", {}, style.title), make("small", {}, where)),
          button,
        );
      }),
    );
    editor.hidden = edited === null;
    useBrush();
  }

  /** @type {string | undefined} */
  let shown;
  photos.addEventListener("change", () => {
    if (photos.current?.id !== shown) edited = null;
    shown = photos.current?.id;
    show();
  });
  store.addEventListener("change", (event) => {
    if (!(/** @type {CustomEvent} */ (event).detail.transient)) show();
  });
  session.addEventListener("styles", show);
  show();
  return { stop, names };
}

/**
 * @param {string} photo name of its file
 * @param {number} index of the style
 */
function maskName(photo, index) {
  return `${stem(photo)}-mask-${index + 1}.png`;
}
