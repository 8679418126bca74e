// @ts-check
// The page of a live painting: shows the stream and its figures, and sends what is changed.

/**
 * @typedef {object} State
 * @property {string} source
 * @property {string} model
 * @property {string[]} styles
 * @property {string} style
 * @property {number | null} alpha
 * @property {[number, number]} alpha_range
 * @property {number} frames
 * @property {number} dropped
 * @property {number} rate
 * @property {number} delay
 * @property {string | null} recording
 */

const POLL_MS = 500;
const STEP = 0.05;

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} kind
 * @returns {T}
 */
function element(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${id}`);
  return found;
}

const picture = element("picture", HTMLImageElement);
const stage = element("stage", HTMLElement);
const waiting = element("waiting", HTMLElement);
const alarm = element("alarm", HTMLElement);
const styles = element("styles", HTMLElement);
const alpha = element("alpha", HTMLInputElement);
const amount = element("amount", HTMLOutputElement);
const mirror = element("mirror", HTMLButtonElement);
const full = element("full", HTMLButtonElement);

/** @type {State | null} */
let state = null;

/** @type {{style?: string, alpha?: number}} What is to be sent: the newest value wins here too. */
let wanted = {};
let sending = false;
let reached = true;

// --- what the server says -------------------------------------------------------------------

/** @param {State} found */
function show(found) {
  const first = state === null || String(found.styles) !== String(state.styles);
  state = found;
  if (first) listStyles(found.styles);
  element("source", HTMLElement).textContent = `${found.source} · ${found.model}`;
  element("rate", HTMLElement).textContent = found.frames ? found.rate.toFixed(1) : "–";
  element("delay", HTMLElement).textContent = found.frames
    ? String(Math.round(found.delay * 1000))
    : "–";
  const recording = element("recording", HTMLElement);
  recording.hidden = found.recording === null;
  const name = recording.querySelector("dd");
  if (name) name.textContent = `● ${found.recording}`;
  waiting.hidden = found.frames > 0;
  if (sending || wanted.style !== undefined || wanted.alpha !== undefined) return;
  const [low, high] = found.alpha_range;
  alpha.min = String(low);
  alpha.max = String(high);
  alpha.disabled = found.alpha === null || low === high;
  alpha.value = String(found.alpha ?? high);
  showAmount(found.alpha);
  choose(found.style);
}

/** @param {number | null} value */
function showAmount(value) {
  amount.textContent = value === null ? "from a picture" : `${Math.round(value * 100)} %`;
  alpha.setAttribute("aria-valuetext", amount.textContent);
}

/** @param {string[]} names */
function listStyles(names) {
  styles.replaceChildren(
    ...names.map((name, index) => {
      const label = document.createElement("label");
      label.className = "chip";
      const input = document.createElement("input");
      input.type = "radio";
      input.name = "style";
      input.value = name;
      const text = document.createElement("span");
      text.textContent = name;
      if (index < 9) {
        const key = document.createElement("kbd");
        key.textContent = String(index + 1);
        key.ariaHidden = "true";
        text.prepend(key);
      }
      label.append(input, text);
      return label;
    }),
  );
}

/** @param {string} name */
function choose(name) {
  for (const input of styles.querySelectorAll("input")) {
    const now = input.value === name;
    if (now && !input.checked) input.parentElement?.scrollIntoView({ block: "nearest" });
    input.checked = now;
  }
}

/** @param {string} line "" for none */
function complain(line) {
  alarm.textContent = line;
  alarm.hidden = line === "";
  if (line) waiting.hidden = true;
}

function watch() {
  picture.src = `/live.mjpg?${Date.now()}`;
  picture.hidden = false;
}

async function poll() {
  try {
    const answer = await fetch("/api/state");
    if (!answer.ok) throw new Error(await answer.text());
    show(await answer.json());
    if (!reached) {
      complain("");
      watch();
    }
    reached = true;
  } catch {
    reached = false;
    complain("`impasto live` has stopped: start it again, and this page reconnects.");
  }
  setTimeout(poll, POLL_MS);
}

// --- what is changed ------------------------------------------------------------------------

/** @param {{style?: string, alpha?: number}} change */
function send(change) {
  Object.assign(wanted, change);
  if (change.style !== undefined) choose(change.style);
  if (change.alpha !== undefined) {
    alpha.value = String(change.alpha);
    showAmount(Number(alpha.value));
  }
  if (!sending) void deliver();
}

async function deliver() {
  sending = true;
  while (wanted.style !== undefined || wanted.alpha !== undefined) {
    const body = JSON.stringify(wanted);
    wanted = {};
    try {
      const answer = await fetch("/api/settings", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body,
      });
      const found = await answer.json();
      complain(answer.ok ? "" : found.error);
    } catch {
      break; // the poll tells
    }
  }
  sending = false;
}

styles.addEventListener("change", (event) => {
  if (event.target instanceof HTMLInputElement) send({ style: event.target.value });
});
alpha.addEventListener("input", () => send({ alpha: Number(alpha.value) }));

/** @param {number} by */
function turnStyle(by) {
  if (state === null) return;
  const names = state.styles;
  const checked = styles.querySelector("input:checked");
  const at = names.indexOf(checked instanceof HTMLInputElement ? checked.value : state.style);
  send({ style: names[(at + by + names.length) % names.length] });
}

/** @param {number} value */
function turnAlpha(value) {
  if (alpha.disabled) return;
  const inside = Math.min(Number(alpha.max), Math.max(Number(alpha.min), value));
  send({ alpha: Math.round(inside / STEP) * STEP });
}

function turnMirror() {
  const now = picture.classList.toggle("mirrored");
  mirror.setAttribute("aria-pressed", String(now));
}

async function turnFull() {
  if (document.fullscreenElement) await document.exitFullscreen();
  else await stage.requestFullscreen();
}

mirror.addEventListener("click", turnMirror);
full.addEventListener("click", turnFull);
full.hidden = !document.fullscreenEnabled;

/** @type {Record<string, () => void>} */
const KEYS = {
  ArrowLeft: () => turnStyle(-1),
  ArrowRight: () => turnStyle(1),
  ArrowUp: () => turnAlpha(Number(alpha.value) + STEP),
  ArrowDown: () => turnAlpha(Number(alpha.value) - STEP),
  0: () => turnAlpha(0),
  m: turnMirror,
  f: turnFull,
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  // Arrows on a control turn that control, as everywhere.
  if (event.target instanceof HTMLInputElement && event.key.startsWith("Arrow")) return;
  const number = Number(event.key);
  const chosen = state?.styles[number - 1];
  if (number >= 1 && chosen !== undefined) send({ style: chosen });
  else if (event.key.toLowerCase() in KEYS) KEYS[event.key.toLowerCase()]();
  else if (event.key in KEYS) KEYS[event.key]();
  else return;
  event.preventDefault();
});

watch();
void poll();
