// @ts-check
/**
 * <mix-pad>: mixes two to four styles by a handle between their pictures: on a line, in a triangle,
 * or in a square as in Fig. 8 of Huang & Belongie, ICCV 2017.
 *
 * Events: `input` whenever the user moved the handle, `change` when it is let go.
 */

/** @typedef {{x: number, y: number}} Place in [0, 1] from the left and from the top */

/** Corners of the triangle: the first style above, the second and third below. */
const APEX = { x: 0.5, y: 0 };
const LEFT = { x: 0, y: 1 };
const RIGHT = { x: 1, y: 1 };

/** @type {Record<number, Place[]>} Where each style is alone. */
const CORNERS = {
  1: [{ x: 0.5, y: 0.5 }],
  2: [
    { x: 0, y: 0.5 },
    { x: 1, y: 0.5 },
  ],
  3: [APEX, LEFT, RIGHT],
  4: [
    { x: 0, y: 0 },
    { x: 1, y: 0 },
    { x: 0, y: 1 },
    { x: 1, y: 1 },
  ],
};

/** Steps of keys. */
const STEP = 0.02;
const LEAP = 0.1;

const SVG = "http://www.w3.org/2000/svg";

/**
 * How much of each style there is at a place of the pad.
 *
 * @param {number} count of styles, 1 to 4
 * @param {Place} place
 * @returns {number[]} which add up to 1
 */
export function padWeights(count, place) {
  const { x, y } = padInside(count, place);
  if (count === 1) return [1];
  if (count === 2) return [1 - x, x];
  if (count === 3) {
    const first = 1 - y;
    const third = Math.max(0, x - first / 2);
    return [first, Math.max(0, y - third), third];
  }
  return [(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y];
}

/**
 * The nearest place that there is on the pad.
 *
 * @param {number} count of styles
 * @param {Place} place
 * @returns {Place}
 */
export function padInside(count, place) {
  const held = { x: unit(place.x), y: unit(place.y) };
  if (count < 2) return { ...CORNERS[1][0] };
  if (count === 2) return { x: held.x, y: 0.5 };
  if (count === 4) return held;
  // Within the square only the slanted sides can be passed.
  const x = held.x < 0.5 ? held.x : 1 - held.x;
  if (held.y >= 1 - 2 * x) return held;
  const near = nearest(APEX, LEFT, { x, y: held.y });
  return held.x < 0.5 ? near : { x: 1 - near.x, y: near.y };
}

/**
 * Where there is as much of every style.
 *
 * @param {number} count of styles
 * @returns {Place}
 */
export function padMiddle(count) {
  return count === 3 ? { x: 0.5, y: 2 / 3 } : { x: 0.5, y: 0.5 };
}

export class MixPad extends HTMLElement {
  constructor() {
    super();
    /** @type {{title: string, thumbnail: string}[]} */
    this._styles = [];
    this._place = { x: 0.5, y: 0.5 };
    /** From the pointer to the handle, in pixels; null: it is not held. */
    /** @type {{x: number, y: number} | null} */
    this._grip = null;
    this._area = document.createElement("div");
    this._area.className = "mix-pad-area";
    this._field = document.createElement("div");
    this._field.className = "mix-pad-field";
    this._handle = document.createElement("div");
    this._handle.className = "mix-pad-handle";
    this._handle.tabIndex = 0;
    this._handle.setAttribute("role", "slider");
    this._handle.setAttribute("aria-roledescription", "mixing handle");
    this._handle.setAttribute("aria-valuemin", "0");
    this._handle.setAttribute("aria-valuemax", "100");
    this._area.append(this._field);
    /** @type {HTMLButtonElement[]} */
    this._corners = [];
    this._listen();
  }

  /** Two to four, in the order of the weights. */
  get styles() {
    return this._styles;
  }

  set styles(styles) {
    this._styles = styles.slice(0, 4);
    this._place = padInside(this._styles.length, this._place);
    this._build();
  }

  /** Where the handle is, in [0, 1] from the left and from the top. */
  get place() {
    return { ...this._place };
  }

  set place(place) {
    this._place = padInside(this._styles.length, place);
    this._show();
  }

  /** How much of each style there is. */
  get weights() {
    return padWeights(this._styles.length, this._place);
  }

  connectedCallback() {
    this.classList.add("mix-pad");
    this.setAttribute("role", "group");
    if (!this.hasAttribute("aria-label")) this.setAttribute("aria-label", "Mix of styles");
    this._build();
  }

  _build() {
    const count = this._styles.length;
    this.dataset.count = String(count);
    this.hidden = count < 2;
    this._corners = this._styles.map((style, index) => this._corner(style, index));
    this._field.replaceChildren(lines(count), this._handle);
    const held = document.activeElement === this._handle;
    this.replaceChildren(this._area, ...this._corners);
    if (held) this._handle.focus();
    this._show();
  }

  /**
   * A picture that brings the handle to it.
   *
   * @param {{title: string, thumbnail: string}} style
   * @param {number} index
   */
  _corner({ title, thumbnail }, index) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "mix-pad-corner";
    button.title = title;
    const image = document.createElement("img");
    image.src = thumbnail;
    image.alt = "";
    image.draggable = false;
    const share = document.createElement("span");
    button.append(image, share);
    button.addEventListener("click", () => {
      if (this._move(CORNERS[this._styles.length][index])) this._tell("change");
    });
    return button;
  }

  _listen() {
    this._area.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.preventDefault();
      this._area.setPointerCapture(event.pointerId);
      this._handle.focus();
      const onHandle = event.target === this._handle;
      const box = this._handle.getBoundingClientRect();
      const middle = { x: box.left + box.width / 2, y: box.top + box.height / 2 };
      this._grip = onHandle
        ? { x: middle.x - event.clientX, y: middle.y - event.clientY }
        : { x: 0, y: 0 };
      this._handle.classList.add("mix-pad-held");
      if (!onHandle) this._drag(event);
    });
    this._area.addEventListener("pointermove", (event) => this._drag(event));
    for (const end of /** @type {const} */ (["pointerup", "pointercancel", "lostpointercapture"])) {
      this._area.addEventListener(end, () => {
        if (!this._grip) return;
        this._grip = null;
        this._handle.classList.remove("mix-pad-held");
        this._tell("change");
      });
    }
    this._area.addEventListener("dblclick", () => {
      if (this._move(padMiddle(this._styles.length))) this._tell("change");
    });
    this._handle.addEventListener("keydown", (event) => {
      const place = this._keyed(event);
      if (!place) return;
      event.preventDefault();
      if (this._move(place)) this._tell("change");
    });
  }

  /** @param {PointerEvent} event */
  _drag(event) {
    if (!this._grip) return;
    const { left, top, width, height } = this._field.getBoundingClientRect();
    this._move({
      x: (event.clientX + this._grip.x - left) / Math.max(1, width),
      y: (event.clientY + this._grip.y - top) / Math.max(1, height),
    });
  }

  /** @param {KeyboardEvent} event */
  _keyed({ key, shiftKey, ctrlKey, metaKey, altKey }) {
    if (ctrlKey || metaKey || altKey) return null;
    const step = shiftKey ? LEAP : STEP;
    const { x, y } = this._place;
    const corner = CORNERS[this._styles.length]?.[Number(key) - 1];
    if (corner) return corner;
    if (key === "ArrowLeft") return { x: x - step, y };
    if (key === "ArrowRight") return { x: x + step, y };
    if (this._styles.length === 2 && key === "ArrowDown") return { x: x - step, y };
    if (this._styles.length === 2 && key === "ArrowUp") return { x: x + step, y };
    if (key === "ArrowUp") return { x, y: y - step };
    if (key === "ArrowDown") return { x, y: y + step };
    return key === "Home" ? padMiddle(this._styles.length) : null;
  }

  /**
   * @param {Place} wanted
   * @returns {boolean} whether it is another place
   */
  _move(wanted) {
    const { x, y } = padInside(this._styles.length, wanted);
    if (x === this._place.x && y === this._place.y) return false;
    this._place = { x, y };
    this._show();
    this._tell("input");
    return true;
  }

  /** @param {"input" | "change"} kind */
  _tell(kind) {
    this.dispatchEvent(new Event(kind, { bubbles: true }));
  }

  _show() {
    if (this._styles.length < 2) return;
    const weights = this.weights;
    const most = Math.max(...weights);
    this._handle.style.left = `${this._place.x * 100}%`;
    this._handle.style.top = `${this._place.y * 100}%`;
    const shares = weights.map((weight) => `${Math.round(weight * 100)} %`);
    const parts = this._styles.map(({ title }, index) => `${title} ${shares[index]}`);
    this._handle.setAttribute("aria-label", "Mixture");
    this._handle.setAttribute("aria-valuenow", String(Math.round(weights[0] * 100)));
    this._handle.setAttribute("aria-valuetext", parts.join(", "));
    this._corners.forEach((corner, index) => {
      corner.setAttribute("aria-label", `Only ${this._styles[index].title}, now ${shares[index]}`);
      corner.classList.toggle("mix-pad-heavy", weights[index] === most);
      const share = corner.querySelector("span");
      if (share) share.textContent = shares[index];
    });
  }
}

/** @param {number} value */
function unit(value) {
  return Math.min(1, Math.max(0, Number(value) || 0));
}

/**
 * The place on a line from one place to another that is nearest to a third.
 *
 * @param {Place} from
 * @param {Place} to
 * @param {Place} place
 */
function nearest(from, to, place) {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const along = unit(
    ((place.x - from.x) * dx + (place.y - from.y) * dy) / (dx * dx + dy * dy),
  );
  return { x: from.x + along * dx, y: from.y + along * dy };
}

/**
 * What is drawn on the pad: its shape, and the places of the paper's figure, 5 by 5.
 *
 * @param {number} count of styles
 */
function lines(count) {
  const picture = document.createElementNS(SVG, "svg");
  picture.setAttribute("class", "mix-pad-lines");
  picture.setAttribute("viewBox", "0 0 100 100");
  picture.setAttribute("preserveAspectRatio", "none");
  picture.setAttribute("aria-hidden", "true");
  const edge = document.createElementNS(SVG, "path");
  edge.setAttribute("class", "mix-pad-edge");
  const [high, wide] = [count === 2 ? 0 : 4, 4];
  for (let row = 0; row <= high; row++) {
    for (let column = 0; column <= wide; column++) {
      const place = { x: column / wide, y: high ? row / high : 0.5 };
      if (count === 3) place.x = 0.5 + (place.x - 0.5) * place.y;
      if (count === 3 && column > row) continue;
      if (count === 3) place.x = 0.5 + (row ? (column / row - 0.5) * place.y : 0);
      const dot = document.createElementNS(SVG, "path");
      dot.setAttribute("class", "mix-pad-dot");
      dot.setAttribute("d", `M${place.x * 100} ${place.y * 100}h0`);
      picture.append(dot);
    }
  }
  edge.setAttribute("d", count === 3 ? "M50 0L0 100H100Z" : count === 2 ? "M0 50H100" : "");
  if (count !== 4) picture.prepend(edge);
  return picture;
}

customElements.define("mix-pad", MixPad);
