// @ts-check
import { find, make } from "./dom.js";
import { say } from "./notice.js";

/** @typedef {import("../state/session.js").Session} Session */
/** @typedef {import("../view/compare.js").CompareView} CompareView */

/** Styles that the example is offered in. */
const OFFERED = 6;

/**
 * The first state: how to begin, and an example of what the page does.
 *
 * @param {Session} session
 * @param {object} parts
 * @param {() => void} parts.camera
 * @param {(work: Promise<unknown>) => Promise<void>} parts.tried shows what goes wrong
 */
export function welcome(session, { camera, tried }) {
  const { painter, photos, store } = session;
  const promise = find("promise", HTMLElement);
  find("promise-line", HTMLElement).textContent =
    painter.home === "device"
      ? "Your pictures do not leave this device."
      : `Your pictures are painted by the machine at ${location.host} and are not kept.`;
  promise.classList.toggle("is-private", painter.home === "device");
  promise.hidden = false;
  find("use-camera", HTMLButtonElement).addEventListener("click", camera);

  const view = /** @type {CompareView} */ (document.getElementById("sample"));
  const list = find("sample-styles", HTMLElement);
  const name = painter.site.sample;
  const sample = fetch(name).then(async (answer) => {
    const blob = await answer.blob();
    return new File([blob], name, { type: blob.type });
  });
  find("example", HTMLButtonElement).addEventListener("click", () => {
    void tried(sample.then((file) => photos.add([{ file, name }])));
  });

  /** @type {ImageBitmap | null} */
  let photograph = null;
  let newest = "";

  async function paint() {
    const style = store.settings.styles.join();
    if (photograph === null || photos.entries.length || style === newest) return;
    newest = style;
    try {
      const frame = await createImageBitmap(photograph);
      const painted = await painter.paintFrame(frame, session.liveLook);
      if (style !== newest || photos.entries.length) return painted.close();
      const before = view.painting;
      view.painting = painted;
      before?.close();
    } catch {
      // What is wrong with the painter is said when the user's own photograph is painted.
    }
  }

  function offer() {
    const gallery = session.styles.filter(({ own }) => !own);
    const step = Math.max(1, Math.floor(gallery.length / OFFERED));
    const [first] = session.chosen;
    const others = gallery.filter(({ id }, index) => index % step === 0 && id !== first?.id);
    const offered = [...(first ? [first] : []), ...others].slice(0, OFFERED);
    list.replaceChildren(
      ...offered.map((style) => {
        const tile = make(
          "button",
          { type: "button", className: "tile", title: style.title },
          make(
            "span",
            { className: "tile-picture" },
            make("img", { src: style.thumbnail, alt: style.title, width: 160, height: 160 }),
          ),
        );
        tile.addEventListener("click", () => {
          store.set({ styles: [style.id] });
          say(style.title);
        });
        tile.dataset.style = style.id;
        return make("li", {}, tile);
      }),
    );
    show();
  }

  function show() {
    for (const tile of list.querySelectorAll("button")) {
      const now = store.settings.styles.includes(tile.dataset.style ?? "");
      tile.setAttribute("aria-pressed", String(now));
    }
    void paint();
  }

  async function start() {
    photograph = await createImageBitmap(await sample);
    if (photos.entries.length) return;
    view.photograph = photograph;
    await paint();
  }

  photos.addEventListener("change", () => {
    if (photos.entries.length === 0) void paint();
  });
  store.addEventListener("change", show);
  session.addEventListener("styles", offer);
  offer();
  void tried(start());
}
