// @ts-check
/** Files of the user, however they come: chosen, dropped or pasted. */

import { isStyleFile } from "../state/command.js";
import { find } from "./dom.js";

/** @typedef {{file: Blob, name: string}} Named */

/**
 * @param {object} takers
 * @param {(files: Named[]) => void} takers.photos
 * @param {(files: Named[]) => void} takers.styles
 * @param {(file: File) => void} takers.film
 */
export function files({ photos, styles, film }) {
  const chooser = find("photo-files", HTMLInputElement);
  const veil = find("veil", HTMLElement);
  const line = find("veil-line", HTMLElement);
  const panel = find("panel", HTMLElement);

  /**
   * @param {File[]} brought
   * @param {boolean} asStyles
   */
  function sort(brought, asStyles) {
    const [first] = brought.filter((file) => file.type.startsWith("video/"));
    if (first) film(first);
    const rest = brought.filter((file) => !file.type.startsWith("video/")).map(named);
    const isStyle = (/** @type {Named} */ { name }) => asStyles || isStyleFile(name);
    const forStyles = rest.filter(isStyle);
    const forPhotos = rest.filter((file) => !isStyle(file));
    if (forPhotos.length) photos(forPhotos);
    if (forStyles.length) styles(forStyles);
  }

  for (const id of ["choose", "add"]) {
    find(id, HTMLButtonElement).addEventListener("click", () => chooser.click());
  }
  chooser.addEventListener("change", () => {
    sort([...(chooser.files ?? [])], false);
    chooser.value = "";
  });

  const overPanel = (/** @type {Event} */ event) =>
    event.target instanceof Node && panel.contains(event.target);
  const hasFiles = (/** @type {DragEvent} */ event) =>
    event.dataTransfer?.types.includes("Files") ?? false;

  document.addEventListener("dragover", (event) => {
    if (event.defaultPrevented) end(); // an element takes them
    if (!hasFiles(event) || event.defaultPrevented) return;
    event.preventDefault();
    const styles = overPanel(event);
    document.body.dataset.drop = styles ? "style" : "photo";
    line.textContent = "Drop photographs to paint them";
    veil.hidden = styles;
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) end(); // left the window
  });
  document.addEventListener("drop", end, { capture: true });
  document.addEventListener("drop", (event) => {
    if (!hasFiles(event) || event.defaultPrevented) return;
    event.preventDefault();
    sort([...(event.dataTransfer?.files ?? [])], overPanel(event));
  });

  function end() {
    delete document.body.dataset.drop;
    veil.hidden = true;
  }

  document.addEventListener("paste", (event) => {
    const brought = [...(event.clipboardData?.files ?? [])];
    if (!brought.length) return;
    event.preventDefault();
    // Over the styles, or with the keyboard among them, a picture is meant as one of them.
    const asStyles = panel.matches(":hover") || panel.contains(document.activeElement);
    sort(brought, asStyles && document.body.dataset.state !== "welcome");
  });
}

/** @param {File} file */
function named(file) {
  const name = file.name || "pasted.png";
  return { file: file.name ? file : new File([file], name, { type: file.type }), name };
}
