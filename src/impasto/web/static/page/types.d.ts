/** Values that pass between the parts of the page; each is documented once, here. */

/** Half-open range of rows or columns, in pixels or positions. */
export interface Span {
  start: number;
  stop: number;
}

/** RGBA with 8 bits a channel, sRGB, not premultiplied: what ImageData holds. */
export interface Pixels {
  width: number;
  height: number;
  data: Uint8ClampedArray;
}

/** A mask, or a map of strength: a number in [0, 1] for each pixel, row by row. */
export interface Plane {
  width: number;
  height: number;
  data: Float32Array;
}

/** Part of a picture as floats: RGB in [0, 1], pixel by pixel (H x W x 3), and its opacity. */
export interface Window {
  width: number;
  height: number;
  image: Float32Array;
  alpha: Float32Array | null;
}

/** A picture that is read part by part. */
export interface Source {
  width: number;
  height: number;
  window(rows: Span, columns: Span): Window;
}

/** Mean and deviation of each channel of one level, in float64; see controls/moments.py. */
export interface Moments {
  mean: Float64Array;
  std: Float64Array;
  /** Number of positions, or the sum of their weights; null where it is not known. */
  count: number | null;
}

/** The map `features * scale + shift`: a number for each channel, or for each place of it too. */
export interface Affine {
  scale: Float32Array;
  shift: Float32Array;
}

/** The strength of each of K styles: K numbers, or K maps of one size, one after the other. */
export interface Amounts {
  count: number;
  /** Of each map; null: the strengths are numbers. */
  size: { width: number; height: number } | null;
  data: Float32Array | Float64Array;
}

/** One level of a model's features. */
export interface Level {
  name: string;
  channels: number;
  stride: number;
}

/** The card of a model, as `card.json` in its bundle has it; see models/card.py. */
export interface Card {
  name: string;
  title: string;
  levels: Level[];
  multiple: number;
  margin: number;
  rim: number;
  encoder_rim: number;
  parameters: number;
  macs_512: number;
  reader_macs_512: number;
}

/** A style as a model keeps it: its moments at every level; see styles/style.py. */
export interface Style {
  name: string;
  /** Identity of the model that it was made for. */
  model: string;
  moments: Moments[];
}

/** Which page this is, as `site.json` says. Addresses are relative to the page. */
export interface Site {
  version: string;
  /** "device": pictures are painted in this browser. "server": by the machine behind the page. */
  home: "device" | "server";
  models: SiteModel[];
  /** Where the build of ONNX Runtime is; null with a server. */
  runtime: { wasm: string; webgpu: string | null } | null;
  /** Where mediabunny is; null: this page paints no films. */
  films: string | null;
  /** A photograph to begin with. */
  sample: string;
  /** What a server takes; null for no limit. */
  limits: { bytes: number | null; pixels: number | null };
  /** Whether the server wants a token. */
  token: boolean;
}

/** A model of the page. Addresses are null with a server. */
export interface SiteModel {
  name: string;
  title: string;
  identity: string;
  card: string | null;
  encoder: string | null;
  decoder: string | null;
  /** The decoder in int8, where the model has one. */
  decoder_int8: string | null;
  reader: string | null;
  /** Where the list of its styles is: `SiteStyle[]` as JSON. */
  styles: string;
}

/** A style of the gallery. */
export interface SiteStyle {
  name: string;
  /** "The Scream", where it is known; else the name in words. */
  title: string;
  thumbnail: string;
  /** The style file (safetensors) in base64; null with a server. */
  file: string | null;
}

/** A style that can be chosen. */
export interface StyleInfo {
  /** Name in the gallery, or `own-1`, `own-2` ... for one that the user brought. */
  id: string;
  title: string;
  /** Address of a picture of it. */
  thumbnail: string;
  /** Whether the user brought it. */
  own: boolean;
  /** Whether its picture is known, which some color methods need. */
  picture: boolean;
}

/** A photograph that the user brought. */
export interface Photo {
  id: string;
  /** Name of its file. */
  name: string;
  /** The file itself, which is where its metadata is taken from. */
  file: Blob;
  width: number;
  height: number;
}

/** All that a user can turn, except masks: what a link, a step of undo and a command line hold. */
export interface Settings {
  model: string;
  /** One to four ids of styles. */
  styles: string[];
  /** Place of the handle on the mixing pad, in [0, 1] from the left and from the top. */
  pad: { x: number; y: number };
  alpha: number;
  color: string | null;
  coarse: number;
  /** Shorter side to which a style's picture is reduced, in pixels. */
  styleSize: number;
  /** Shorter side of the result in pixels; null: the photograph's. */
  size: number | null;
}

/** What a painter is asked for: settings, with the mixture as weights, and masks. */
export interface Look {
  model: string;
  styles: string[];
  weights: number[];
  /** One for each style, null for everywhere; empty: every style goes everywhere. */
  masks: (Plane | null)[];
  alpha: number | Plane;
  color: string | null;
  coarse: number;
  styleSize: number;
}

/** A painted picture, to be shown. */
export interface Painting {
  bitmap: ImageBitmap;
  seconds: number;
}

export interface PaintOptions {
  /** Shorter side of the result in pixels; null: the photograph's. */
  size: number | null;
  /** A preview, whose photograph is reduced quickly; else as the command line reduces it. */
  preview?: boolean;
  signal?: AbortSignal;
  /** Called with the share that is done, in [0, 1]. */
  watch?: (share: number) => void;
}

export interface SaveOptions extends PaintOptions {
  format: "png" | "jpeg" | "webp";
  /** Of JPEG and WebP, 1 to 100. */
  quality: number;
}

/**
 * Whatever paints: a worker of this browser, or a server. All errors are `PaintError` with one
 * sentence for the user (errors.js), but for an `AbortError` after `signal`.
 */
export interface Painter {
  readonly home: "device" | "server";
  readonly site: Site;
  /** The gallery of a model and the styles that the user brought. */
  styles(model: string): Promise<StyleInfo[]>;
  /** Take a picture, or a style file, as a style; `name` is that of its file. */
  addStyle(file: Blob, name: string): Promise<StyleInfo>;
  /** The style file of a style for a model, as the command line reads it. */
  saveStyle(id: string, model: string, styleSize: number): Promise<Blob>;
  /** Paint a picture to be shown. */
  paint(photo: Photo, look: Look, options: PaintOptions): Promise<Painting>;
  /** Paint a picture and make a file of it, with the metadata of its photograph. */
  save(photo: Photo, look: Look, options: SaveOptions): Promise<Blob>;
  /** Paint a frame of a camera or a film; `frame` is closed. Two at a time at most. */
  paintFrame(frame: ImageBitmap, look: Look): Promise<ImageBitmap>;
  /** Let go of what is kept of a photograph. */
  forget(photo: Photo): void;
}
