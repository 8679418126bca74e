// @ts-check
import { find, icon, make } from "./dom.js";
import { say } from "./notice.js";

/** @typedef {import("../state/session.js").Session} Session */

/**
 * The photographs that were brought, where there are several: a click shows one.
 *
 * @param {Session} session
 */
export function strip(session) {
  const { photos } = session;
  const list = find("strip", HTMLElement);

  function show() {
    const { entries, current } = photos;
    list.hidden = entries.length < 2;
    const active = document.activeElement;
    const focused = list.contains(active) ? active?.closest("li")?.dataset.photo : undefined;
    list.replaceChildren(
      ...entries.map(({ photo, thumbnail }) => {
        const now = photo === current;
        const show = make(
          "button",
          { type: "button", className: "shot", title: photo.name },
          thumbnail,
          make("span", { className: "unseen" }, photo.name),
        );
        if (now) show.setAttribute("aria-current", "true");
        show.addEventListener("click", () => photos.select(photo.id));
        const remove = make(
          "button",
          { type: "button", className: "shot-remove", title: "Remove" },
          icon("close"),
          make("span", { className: "unseen" }, `Remove ${photo.name}`),
        );
        remove.addEventListener("click", () => {
          session.remove(photo);
          say(`${photo.name} removed.`);
        });
        const item = make("li", { className: now ? "is-shown" : "" }, show, remove);
        item.dataset.photo = photo.id;
        return item;
      }),
    );
    if (focused !== undefined) {
      const again = [...list.children].find(
        (item) => item instanceof HTMLElement && item.dataset.photo === focused,
      );
      (again ?? list).querySelector("button")?.focus();
    }
    list.querySelector(".is-shown")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
  photos.addEventListener("change", show);
  show();
}
