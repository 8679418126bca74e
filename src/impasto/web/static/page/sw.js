// @ts-check
/*
 * The worker that stands between the page and its server. It keeps the page in the browser, so that
 * it opens without a network, and adds the headers that isolate it, so that several threads paint.
 *
 * `impasto page build` puts a line before this one, `self.SITE = ...`: the version, all files with
 * their sums, and which of them a first visit needs. Without that line the page comes from
 * `impasto serve`, where nothing is to be kept: the worker removes itself.
 *
 * On a first visit files are kept as they are asked for, and the rest of those that are needed when
 * the page has loaded ("keep"). A new version is fetched whole before it replaces the old one.
 */
(() => {
  /**
   * @typedef {object} Site
   * @property {string} version
   * @property {string} entry address of the page itself
   * @property {string} policy its Content-Security-Policy
   * @property {string[]} first addresses of what a first visit needs
   * @property {Record<string, [string, number]>} files SHA-256 and bytes of each, by address
   *
   * @typedef {Event & {waitUntil(work: Promise<unknown>): void}} Lasting
   * @typedef {Lasting & {request: Request, respondWith(answer: Promise<Response>): void}} Asked
   * @typedef {Lasting & {data: unknown}} Told
   */
  const worker = /** @type {any} */ (self);
  /** @type {Site | undefined} */
  const site = worker.SITE;
  /** @type {string} */
  const scope = worker.registration.scope;

  // Several pages may lie in folders of one origin, which share its caches.
  const prefix = `impasto-page ${scope} `;
  const SUM = "X-Impasto-Sum";
  /** What some servers do not know, and browsers insist on. @type {Record<string, string>} */
  const TYPES = { js: "text/javascript", mjs: "text/javascript", wasm: "application/wasm" };

  if (site === undefined) removeItself();
  else stand(site, `${prefix}${site.version}`);

  function removeItself() {
    worker.addEventListener("install", () => worker.skipWaiting());
    worker.addEventListener("activate", (/** @type {Lasting} */ event) =>
      event.waitUntil(
        (async () => {
          for (const name of await cacheNames()) await caches.delete(name);
          await worker.registration.unregister();
          for (const page of await worker.clients.matchAll({ type: "window" })) {
            await page.navigate(page.url);
          }
        })(),
      ),
    );
  }

  /**
   * @param {Site} site
   * @param {string} own name of the cache of this version
   */
  function stand(site, own) {
    /** Downloads that have begun, by address. @type {Map<string, Promise<Response>>} */
    const underway = new Map();

    worker.addEventListener("install", (/** @type {Lasting} */ event) =>
      event.waitUntil(install()),
    );
    worker.addEventListener("activate", (/** @type {Lasting} */ event) =>
      event.waitUntil(activate()),
    );
    worker.addEventListener("message", (/** @type {Told} */ event) => {
      if (event.data === "keep") event.waitUntil(keepFirst());
      if (event.data === "replace") event.waitUntil(worker.skipWaiting());
    });
    worker.addEventListener("fetch", (/** @type {Asked} */ event) => {
      const address = addressOf(event.request);
      if (address !== null) event.respondWith(answer(address, event));
    });

    async function install() {
      const older = (await cacheNames()).filter((name) => name !== own);
      if (older.length === 0) {
        await worker.skipWaiting(); // a first visit: there is nothing to replace
        return;
      }
      const cache = await caches.open(own);
      const wanted = new Set(site.first);
      for (const name of older) {
        const before = await caches.open(name);
        for (const request of await before.keys()) {
          const address = within(request.url);
          if (address === null) continue;
          const kept = await before.match(request);
          if (kept && kept.headers.get(SUM) === site.files[address][0]) {
            await cache.put(request, kept);
          } else {
            wanted.add(address); // whatever was kept is kept in its new version
          }
        }
      }
      for (const address of wanted) {
        if (await cache.match(at(address))) continue;
        if (!(await keep(address, await download(address)))) {
          throw new Error(`${address} does not belong to version ${site.version}`);
        }
      }
    }

    async function activate() {
      for (const name of await cacheNames()) if (name !== own) await caches.delete(name);
      await worker.clients.claim();
    }

    async function keepFirst() {
      const cache = await caches.open(own);
      for (const address of site.first) {
        if (await cache.match(at(address))) continue;
        try {
          await bring(address).kept;
        } catch {
          return; // the network is gone; the next visit goes on
        }
      }
    }

    /**
     * @param {string} address
     * @param {Lasting} event
     */
    async function answer(address, event) {
      const cache = await caches.open(own);
      const kept = await cache.match(at(address));
      if (kept) return kept;
      const brought = bring(address);
      event.waitUntil(brought.kept.catch(() => undefined));
      return brought.response;
    }

    /** What is being kept, by address. @type {Map<string, Promise<boolean>>} */
    const keeping = new Map();

    /**
     * Fetch a file once for all who ask for it, and keep it.
     *
     * @param {string} address
     * @returns {{response: Promise<Response>, kept: Promise<boolean>}}
     */
    function bring(address) {
      let begun = underway.get(address);
      if (begun === undefined) {
        begun = download(address);
        underway.set(address, begun);
        const done = begun.then((response) => keep(address, response.clone()));
        keeping.set(address, done);
        const forget = () => {
          underway.delete(address);
          keeping.delete(address);
        };
        done.then(forget, forget);
      }
      return {
        response: begun.then((response) => response.clone()),
        kept: keeping.get(address) ?? Promise.resolve(false),
      };
    }

    /**
     * Keep a file if it is the one of this version.
     *
     * @param {string} address
     * @param {Response} response
     */
    async function keep(address, response) {
      if (!response.ok) return false;
      const bytes = await response.arrayBuffer();
      const [sum] = site.files[address];
      if (hex(await crypto.subtle.digest("SHA-256", bytes)) !== sum) {
        void worker.registration.update(); // the server has another version by now
        return false;
      }
      const headers = new Headers(response.headers);
      headers.set(SUM, sum);
      const cache = await caches.open(own);
      await cache.put(at(address), new Response(bytes, { headers }));
      return true;
    }

    /**
     * Fetch a file, with the headers that guard and isolate the page.
     *
     * @param {string} address
     */
    async function download(address) {
      // A browser asks the server whether a file that it has is still the same: sums would not fit.
      const response = await fetch(at(address), { cache: "no-cache" });
      if (!response.ok) return response;
      const ending = address.slice(address.lastIndexOf(".") + 1);
      const type = TYPES[ending] ?? response.headers.get("Content-Type");
      return new Response(response.body, {
        headers: {
          ...(type ? { "Content-Type": type } : {}),
          "Content-Length": String(site.files[address][1]),
          "Content-Security-Policy": site.policy,
          "Cross-Origin-Opener-Policy": "same-origin",
          // Not "credentialless", which not all browsers know.
          "Cross-Origin-Embedder-Policy": "require-corp",
          "Cross-Origin-Resource-Policy": "same-origin",
        },
      });
    }

    /**
     * The file of the page that is asked for; null if it is none.
     *
     * @param {Request} request
     */
    function addressOf(request) {
      return request.method === "GET" ? within(request.url) : null;
    }

    /** @param {string} url */
    function within(url) {
      const { origin, pathname } = new URL(url);
      const place = origin + pathname;
      if (!place.startsWith(scope)) return null;
      const address = decodeURIComponent(place.slice(scope.length)) || site.entry;
      return Object.hasOwn(site.files, address) ? address : null;
    }

    /**
     * The whole address of a file. The page is asked for by its folder, since some servers lead from
     * `index.html` there.
     *
     * @param {string} address
     */
    function at(address) {
      return new URL(address === site.entry ? "./" : address, scope).href;
    }
  }

  async function cacheNames() {
    return (await caches.keys()).filter((name) => name.startsWith(prefix));
  }

  /** @param {ArrayBuffer} bytes */
  function hex(bytes) {
    return [...new Uint8Array(bytes)].map((each) => each.toString(16).padStart(2, "0")).join("");
  }
})();
