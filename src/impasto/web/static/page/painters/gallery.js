// @ts-check
/** Styles of a model's gallery, as the page shows them. */

/** @typedef {import("../types").StyleInfo} StyleInfo */

/**
 * @param {{name: string, title: string, thumbnail: string}[]} rows
 * @returns {StyleInfo[]}
 */
export function ofGallery(rows) {
  return rows.map(({ name, title, thumbnail }) => ({
    id: name,
    title,
    thumbnail,
    own: false,
    picture: false,
  }));
}
