// @ts-check
import { zip } from "../images/zip.js";
import { stem } from "../state/command.js";
import { MAX_STYLES, weightsOf } from "../state/settings.js";
import { find, icon, make } from "./dom.js";
import { offer } from "./download.js";
import { complain, flash, say } from "./notice.js";

/** @typedef {import("../state/session.js").Session} Session */

/**
 * The styles: one is chosen with a click, or up to four are mixed on a pad.
 *
 * @param {Session} session
 * @param {(files: {file: Blob, name: string}[]) => void} bring takes files as styles
 */
export function gallery(session, bring) {
  const { store } = session;
  const list = find("gallery", HTMLElement);
  const title = find("chosen-title", HTMLElement);
  const mix = find("mix", HTMLInputElement);
  const pad = /** @type {import("../view/pad.js").MixPad} */ (document.getElementById("pad"));
  const save = find("save-style", HTMLButtonElement);
  const files = find("style-files", HTMLInputElement);
  /** @type {Map<string, HTMLButtonElement>} */
  const tiles = new Map();

  const own = make(
    "button",
    { type: "button", className: "tile tile-new", title: "A picture, or a style file" },
    make("span", { className: "tile-picture" }, icon("add")),
    make("span", { className: "tile-title" }, "Your own"),
  );
  own.addEventListener("click", () => files.click());
  files.addEventListener("change", () => {
    bring([...(files.files ?? [])].map((file) => ({ file, name: file.name })));
    files.value = "";
  });

  function fill() {
    tiles.clear();
    const items = session.styles.map((style) => {
      const picture = make("img", {
        src: style.thumbnail,
        alt: "",
        loading: "lazy",
        decoding: "async",
        width: 160,
        height: 160,
        draggable: false,
      });
      const tile = make(
        "button",
        { type: "button", className: "tile", title: style.title },
        make("span", { className: "tile-picture" }, picture),
        make("span", { className: "tile-title" }, style.title),
      );
      tile.addEventListener("click", () => pick(style.id));
      tiles.set(style.id, tile);
      return make("li", {}, tile);
    });
    list.replaceChildren(make("li", {}, own), ...items);
    show();
  }

  /** @param {string} id */
  function pick(id) {
    const { styles } = store.settings;
    try {
      if (!mix.checked) session.choose([id]);
      else if (!styles.includes(id)) session.choose([...styles, id]);
      else if (styles.length > 1) session.choose(styles.filter((each) => each !== id));
      say(chosenTitle());
    } catch (error) {
      complain(error);
    }
  }

  function chosenTitle() {
    const { chosen } = session;
    if (chosen.length === 1) return chosen[0].title;
    return `${chosen.length} styles, mixed`;
  }

  mix.addEventListener("change", () => {
    const { styles } = store.settings;
    if (!mix.checked && styles.length > 1) {
      const weights = weightsOf(store.settings);
      session.choose([styles[weights.indexOf(Math.max(...weights))]]);
    }
    show();
  });

  const place = (/** @type {boolean} */ transient) =>
    store.set({ pad: { x: pad.place.x, y: pad.place.y } }, { transient });
  pad.addEventListener("input", () => place(true));
  pad.addEventListener("change", () => place(false));

  /** @type {string[]} */
  let onPad = [];

  function show() {
    const { styles } = store.settings;
    if (styles.length > 1) mix.checked = true;
    for (const [id, tile] of tiles) {
      const at = styles.indexOf(id);
      tile.setAttribute("aria-pressed", String(at >= 0));
      tile.dataset.number = styles.length > 1 && at >= 0 ? String(at + 1) : "";
    }
    title.textContent = mix.checked && styles.length === 1
      ? `${chosenTitle()} and …`
      : chosenTitle();
    list.classList.toggle("is-full", mix.checked && styles.length === MAX_STYLES);
    pad.hidden = styles.length < 2;
    if (styles.join() !== onPad.join()) {
      onPad = [...styles];
      if (styles.length > 1) {
        pad.styles = session.chosen.map(({ title: name, thumbnail }) => ({
          title: name,
          thumbnail,
        }));
      }
    }
    if (styles.length > 1) pad.place = { ...store.settings.pad };
  }

  save.addEventListener("click", async () => {
    const { model, styleSize } = store.settings;
    save.disabled = true;
    try {
      const saved = [];
      for (const { id } of session.chosen) {
        const blob = await session.painter.saveStyle(id, model, styleSize);
        saved.push({ name: `${stem(session.styleFile(id) ?? id)}.safetensors`, blob });
      }
      if (saved.length === 1) offer(saved[0].blob, saved[0].name);
      else offer(await zip(saved), "styles.zip");
      flash(`Saved as ${saved.length === 1 ? saved[0].name : "styles.zip"}.`);
    } catch (error) {
      complain(error);
    } finally {
      save.disabled = false;
    }
  });

  session.addEventListener("styles", fill);
  store.addEventListener("change", show);
  fill();
}
