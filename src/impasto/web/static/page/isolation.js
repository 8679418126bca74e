// @ts-check
/**
 * Puts the worker `sw.js` in its place, where pictures are painted in this browser: the page then
 * opens without a network, and is isolated, so that several threads may paint.
 *
 * A page gets the worker's headers when it is loaded the next time. So it loads itself again, once
 * in a tab, and only while nobody has done anything in it. With a server behind it a page has no
 * worker, and one of a page that was here before is removed.
 */

/** A page does not wait longer than this, in ms, before it goes on as it is. */
const PATIENCE = 3000;

const BEGUN = ["pointerdown", "keydown", "input", "drop", "paste"];

let begun = false;
for (const kind of BEGUN) {
  addEventListener(kind, () => (begun = true), { capture: true, once: true, passive: true });
}

/**
 * Done when the page may begin to load what it paints with. If it is about to load itself again, it
 * is never done.
 *
 * @type {Promise<void>}
 */
export const settled = settle().catch(() => undefined); // without the worker all works, too

async function settle() {
  const container = navigator.serviceWorker;
  if (!container) return; // an address without encryption, or a private window
  const base = new URL(".", import.meta.url);
  const answer = await fetch(new URL("site.json", base));
  /** @type {import("./types.d.ts").Site} */
  const site = await answer.json();
  if (site.home === "server") {
    for (const each of await container.getRegistrations()) {
      if (each.scope === base.href) await each.unregister();
    }
    return;
  }
  const registration = await container.register(new URL("sw.js", base), { updateViaCache: "none" });
  if (registration.waiting !== null && mayLoadAgain("update")) {
    const changed = within(new Promise((done) => (container.oncontrollerchange = done)));
    registration.waiting.postMessage("replace");
    if (await changed) return loadAgain("update");
  }
  const active = await within(container.ready);
  if (active && !crossOriginIsolated && mayLoadAgain("isolation")) return loadAgain("isolation");
  if (document.readyState !== "complete") {
    void new Promise((done) => addEventListener("load", done)).then(() => keep(container));
  } else {
    keep(container);
  }
}

/** @param {ServiceWorkerContainer} container */
function keep(container) {
  void container.ready.then((registration) => registration.active?.postMessage("keep"));
}

/**
 * @template T
 * @param {Promise<T>} promise
 * @returns {Promise<T | null>}
 */
function within(promise) {
  return Promise.race([
    promise,
    /** @type {Promise<null>} */ (new Promise((done) => setTimeout(done, PATIENCE, null))),
  ]);
}

/** @param {string} reason */
function mayLoadAgain(reason) {
  try {
    return !begun && window.top === window && sessionStorage.getItem(key(reason)) === null;
  } catch {
    return false; // nothing can be remembered here, so it could go on for ever
  }
}

/**
 * @param {string} reason
 * @returns {Promise<void>}
 */
function loadAgain(reason) {
  if (!mayLoadAgain(reason)) return Promise.resolve();
  sessionStorage.setItem(key(reason), "1");
  location.reload();
  return new Promise(() => undefined);
}

/** @param {string} reason */
function key(reason) {
  return `impasto-loaded-again-for-${reason}`;
}
