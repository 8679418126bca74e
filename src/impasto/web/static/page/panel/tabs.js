// @ts-check
/** Tabs as screen readers know them: arrows move among them, one panel is seen. */

/**
 * Make a row of buttons with `aria-controls` into tabs.
 *
 * @param {HTMLElement} row
 * @param {(name: string) => void} opened called with the id of the panel that is seen now
 * @returns {(name: string) => void} opens a panel by its id
 */
export function tabs(row, opened) {
  const buttons = [...row.querySelectorAll("button")];
  const panelOf = (/** @type {HTMLElement} */ button) =>
    document.getElementById(button.getAttribute("aria-controls") ?? "");

  /** @param {HTMLButtonElement} chosen */
  function open(chosen) {
    for (const button of buttons) {
      const now = button === chosen;
      button.setAttribute("aria-selected", String(now));
      button.tabIndex = now ? 0 : -1;
      const panel = panelOf(button);
      if (panel) panel.hidden = !now;
    }
    opened(chosen.getAttribute("aria-controls") ?? "");
  }

  /** @type {Record<string, number>} */
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1 };
  row.addEventListener("keydown", (event) => {
    const seen = buttons.filter((button) => !button.hidden);
    const at = seen.findIndex((button) => button === document.activeElement);
    let to = at;
    if (event.key in steps) to = (at + steps[event.key] + seen.length) % seen.length;
    else if (event.key === "Home") to = 0;
    else if (event.key === "End") to = seen.length - 1;
    else return;
    event.preventDefault();
    seen[to].focus();
    open(seen[to]);
  });
  for (const button of buttons) button.addEventListener("click", () => open(button));
  return (name) => {
    const button = buttons.find((each) => each.getAttribute("aria-controls") === name);
    if (button) open(button);
  };
}
