// @ts-check
import { find, make } from "./dom.js";

/** @typedef {import("../state/session.js").Session} Session */

/**
 * The colors: the style's, or the photograph's by one of the methods.
 *
 * @param {Session} session
 */
export function colors(session) {
  const { store } = session;
  const group = make(
    "fieldset",
    { className: "choices" },
    make("legend", {}, "Colors of the result"),
  );
  const rows = [
    {
      name: "",
      title: "The style's colors",
      summary: "strokes and colors of the style",
      needsPicture: false,
    },
    ...session.colors,
  ].map(({ name, title, summary, needsPicture }) => {
    const input = make("input", { type: "radio", name: "color", value: name });
    input.addEventListener("change", () => store.set({ color: name || null }));
    const row = make(
      "label",
      { className: "choice" },
      input,
      make("span", {}, title, make("small", {}, summary)),
    );
    group.append(row);
    return { name, needsPicture, input, row };
  });
  const hint = make("p", { className: "hint" });
  find("part-colors", HTMLElement).append(group, hint);

  function show() {
    const known = session.picturesKnown;
    for (const { name, needsPicture, input, row } of rows) {
      input.disabled = needsPicture && !known;
      row.classList.toggle("is-disabled", input.disabled);
      input.checked = name === (store.settings.color ?? "");
    }
    const some = rows.some(({ input }) => input.disabled);
    hint.textContent = some
      ? "Grayed-out methods need the style's picture: use a style picture of your own."
      : "";
  }
  store.addEventListener("change", show);
  session.addEventListener("styles", show);
  show();
}
