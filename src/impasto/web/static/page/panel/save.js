// @ts-check
import { cancelled, sentence } from "../errors.js";
import { zip } from "../images/zip.js";
import { commandLine } from "../state/command.js";
import { QUALITY, RANGES } from "../state/settings.js";
import { find, icon, make } from "./dom.js";
import { offer } from "./download.js";
import { complain, flash } from "./notice.js";
import { Slider } from "./slider.js";

/** @typedef {import("../types").Photo} Photo */
/** @typedef {import("../state/session.js").Session} Session */

/** @typedef {"jpeg" | "png" | "webp"} Format */
/** @type {Record<Format, {title: string, suffix: string}>} */
const FORMATS = {
  jpeg: { title: "JPEG", suffix: ".jpg" },
  png: { title: "PNG", suffix: ".png" },
  webp: { title: "WebP", suffix: ".webp" },
};

/** Shorter sides of results that are offered, in pixels. */
const SIZES = [2160, 1440, 1080, 720, 480];

/**
 * Files: the picture, all pictures as one ZIP, and what repeats them elsewhere.
 *
 * @param {Session} session
 * @param {object} parts
 * @param {() => (string | null)[]} parts.maskNames files of the masks of the photograph shown
 * @param {(work: Work | null) => void} parts.working told what is being saved, and its end
 *
 * @typedef {{line: string, share: number, cancel: () => void}} Work
 */
export function saving(session, { maskNames, working }) {
  const { store, photos } = session;
  /** @type {Format} */
  let format = "jpeg";
  let busy = false;

  const formats = make("div", { className: "segments" });
  for (const [name, { title }] of Object.entries(FORMATS)) {
    const input = make("input", { type: "radio", name: "format", value: name });
    input.checked = name === format;
    input.addEventListener("change", () => {
      format = /** @type {Format} */ (name);
      show();
    });
    formats.append(make("label", {}, input, make("span", {}, make("b", {}, title))));
  }
  const quality = new Slider({
    label: "Quality",
    range: RANGES.quality,
    start: QUALITY,
    words: String,
    turned: () => show(),
  });
  const size = make("select", { id: "result-size" });
  size.addEventListener("change", () => {
    store.set({ size: size.value === "" ? null : Number(size.value) });
  });
  const sizeRow = make(
    "div",
    { className: "field" },
    make("label", { htmlFor: size.id }, "Size"),
    size,
  );
  const save = make(
    "button",
    { type: "button", className: "main large wide" },
    icon("save"),
    "Save the picture",
  );
  const saveAll = make(
    "button",
    { type: "button", className: "large wide" },
    icon("stack"),
    make("span", {}, "Save all"),
  );
  const kept = make(
    "p",
    { className: "hint" },
    "Date, camera and copyright are kept; the location is removed.",
  );
  const line = make("code", { className: "command", tabIndex: 0 });
  line.setAttribute("aria-label", "Command");
  line.setAttribute("role", "textbox");
  line.setAttribute("aria-readonly", "true");
  const copyLine = make("button", { type: "button", className: "small" }, icon("command"), "Copy command");
  const copyLink = make("button", { type: "button", className: "small" }, icon("link"), "Copy link");
  const again = make(
    "div",
    { className: "again" },
    make("h3", {}, "Repeat this"),
    line,
    make("div", { className: "tool-row" }, copyLine, copyLink),
  );
  find("part-save", HTMLElement).append(
    make("fieldset", { className: "field" }, make("legend", {}, "Format"), formats),
    quality.element,
    sizeRow,
    make("div", { className: "save-buttons" }, save, saveAll),
    kept,
    again,
  );

  save.addEventListener("click", () => void saveOne());
  find("save-now", HTMLButtonElement).addEventListener("click", () => void saveOne());
  saveAll.addEventListener("click", () => void saveEach());
  copyLine.addEventListener("click", () => void copyCommand());
  find("copy-command", HTMLButtonElement).addEventListener("click", () => void copyCommand());
  copyLink.addEventListener("click", () => void copy(location.href, "Link copied."));

  /**
   * @param {Photo} photo
   * @param {AbortSignal} signal
   * @param {(share: number) => void} watch
   */
  async function paint(photo, signal, watch) {
    const blob = await session.painter.save(photo, session.look(photo), {
      format,
      quality: quality.value,
      size: session.sizeFor(photo),
      signal,
      watch,
    });
    return { name: session.resultName(photo, FORMATS[format].suffix), blob };
  }

  /**
   * Run one thing at a time, with its progress and a way to stop it.
   *
   * @param {string} first
   * @param {(signal: AbortSignal, tell: (line: string, share: number) => void) => Promise<void>} run
   */
  async function work(first, run) {
    if (busy) return;
    busy = true;
    show();
    const stop = new AbortController();
    const cancel = () => stop.abort();
    const tell = (/** @type {string} */ text, /** @type {number} */ share) =>
      working({ line: text, share, cancel });
    tell(first, 0);
    try {
      await run(stop.signal, tell);
    } catch (error) {
      if (cancelled(error)) flash("Nothing was saved.");
      else complain(error);
    } finally {
      busy = false;
      working(null);
      show();
    }
  }

  async function saveOne() {
    const photo = photos.current;
    if (!photo) return;
    const text = `Painting ${photo.name} to save it`;
    await work(text, async (signal, tell) => {
      const { name, blob } = await paint(photo, signal, (share) => tell(text, share));
      offer(blob, name);
      flash(`Saved as ${name}, ${megabytes(blob.size)}.`);
    });
  }

  async function saveEach() {
    const all = photos.entries.map(({ photo }) => photo);
    await work("Painting all photographs", async (signal, tell) => {
      /** @type {{name: string, blob: Blob}[]} */
      const files = [];
      /** @type {string[]} */
      const problems = [];
      for (const [index, photo] of all.entries()) {
        const text = `Painting ${index + 1} of ${all.length}: ${photo.name}`;
        tell(text, index / all.length);
        try {
          const file = await paint(photo, signal, (share) =>
            tell(text, (index + share) / all.length),
          );
          files.push(file);
        } catch (error) {
          if (cancelled(error)) throw error;
          problems.push(`${photo.name}: ${sentence(error)}`);
        }
      }
      if (files.length) {
        const archive = await zip(files);
        offer(archive, "impasto.zip");
        flash(`${files.length} pictures saved as impasto.zip, ${megabytes(archive.size)}.`);
      }
      if (problems.length) {
        complain(`${problems.length} of ${all.length} could not be painted; ${problems[0]}`);
      }
    });
  }

  /** The line of the command for all photographs; for that which is shown, if it has masks. */
  function command() {
    const shown = photos.current;
    const masks = maskNames();
    const several = masks.length === 0 && photos.entries.length > 1;
    const names = several
      ? photos.entries.map(({ photo }) => photo.name)
      : [shown?.name ?? "photograph.jpg"];
    const { suffix } = FORMATS[format];
    const single = shown ? session.resultName(shown, suffix) : `painted${suffix}`;
    return commandLine(store.settings, {
      photos: names,
      styleFile: (style) => session.styleFile(style),
      masks,
      out: several ? "painted/" : single,
      quality: format === "png" ? null : quality.value,
    });
  }

  async function copyCommand() {
    await copy(command(), "Command copied.");
  }

  /**
   * @param {string} text
   * @param {string} done
   */
  async function copy(text, done) {
    try {
      await navigator.clipboard.writeText(text);
      flash(done);
    } catch {
      complain("The browser does not let this page copy: select the text under Save and copy it.");
    }
  }

  function show() {
    const photo = photos.current;
    const { settings } = store;
    quality.element.hidden = format === "png";
    if (photo) {
      const shorter = Math.min(photo.width, photo.height);
      const sizes = SIZES.filter((each) => each < shorter);
      if (settings.size !== null && settings.size < shorter && !sizes.includes(settings.size)) {
        sizes.push(settings.size);
      }
      const now = settings.size !== null && settings.size < shorter ? String(settings.size) : "";
      size.replaceChildren(
        make("option", { value: "" }, `Original, ${photo.width} × ${photo.height}`),
        ...sizes.map((each) => make("option", { value: String(each) }, scaled(photo, each))),
      );
      size.value = now;
    }
    save.disabled = busy;
    find("save-now", HTMLButtonElement).disabled = busy;
    saveAll.disabled = busy;
    saveAll.hidden = photos.entries.length < 2;
    const label = saveAll.querySelector("span");
    if (label) label.textContent = `Save all ${photos.entries.length} as a ZIP`;
    line.textContent = command();
  }

  photos.addEventListener("change", show);
  session.addEventListener("styles", show);
  store.addEventListener("change", (event) => {
    if (!(/** @type {CustomEvent} */ (event).detail.transient)) show();
  });
  show();
}

/**
 * @param {Photo} photo
 * @param {number} side shorter side of the result
 */
function scaled({ width, height }, side) {
  const factor = side / Math.min(width, height);
  return `${Math.round(width * factor)} × ${Math.round(height * factor)}`;
}

/** @param {number} bytes */
function megabytes(bytes) {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
