// @ts-check
import { DEFAULTS, RANGES } from "../state/settings.js";
import { find, make, percent } from "./dom.js";
import { Slider } from "./slider.js";

/** @typedef {import("../state/session.js").Session} Session */

/**
 * Strength, which is always at hand, and the strokes: their size, and the network that paints.
 *
 * @param {Session} session
 */
export function strokes(session) {
  const { store } = session;
  const alpha = new Slider({
    label: "Strength",
    range: RANGES.alpha,
    start: DEFAULTS.alpha,
    words: percent,
    turned: (value, transient) => store.set({ alpha: value }, { transient }),
  });
  find("strength", HTMLElement).append(alpha.element);

  const coarse = new Slider({
    label: "Stroke size",
    range: RANGES.coarse,
    start: DEFAULTS.coarse,
    words: (value) => `${value} ×`,
    turned: (value, transient) => store.set({ coarse: value }, { transient }),
    hint: "The factor by which strokes are enlarged.",
  });
  const styleSize = new Slider({
    label: "Style size",
    range: RANGES.styleSize,
    start: DEFAULTS.styleSize,
    words: (value) => `${value} px`,
    turned: (value, transient) => store.set({ styleSize: value }, { transient }),
    hint: "",
  });
  const hint = make("p", { className: "hint" });
  styleSize.element.append(hint);

  const models = make("fieldset", { className: "choices" }, make("legend", {}, "Model"));
  for (const { name, title } of session.painter.site.models) {
    const input = make("input", { type: "radio", name: "model", value: name });
    input.addEventListener("change", () => store.set({ model: name }));
    const words = make("span", {}, inWords(name), make("small", {}, title));
    models.append(make("label", { className: "choice" }, input, words));
  }
  models.hidden = session.painter.site.models.length < 2;
  find("part-strokes", HTMLElement).append(coarse.element, styleSize.element, models);

  function show() {
    const { settings } = store;
    alpha.value = settings.alpha;
    coarse.value = settings.coarse;
    styleSize.value = settings.styleSize;
    const pictures = session.chosen.some(({ picture }) => picture);
    styleSize.disabled = !pictures;
    hint.textContent = pictures
      ? "The style picture is reduced to this shorter side; smaller gives finer strokes."
      : "Only for style pictures of your own; gallery styles have a fixed size.";
    for (const input of models.querySelectorAll("input")) {
      input.checked = input.value === settings.model;
    }
  }
  store.addEventListener("change", show);
  session.addEventListener("styles", show);
  show();
}

/** @param {string} name */
function inWords(name) {
  return name.charAt(0).toUpperCase() + name.slice(1);
}
