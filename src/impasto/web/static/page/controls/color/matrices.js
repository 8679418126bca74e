// @ts-check
/**
 * What color methods ask of small matrices, which are arrays of rows. Jacobi's rotations find axes
 * and turns to the last digits, also of matrices that are nearly singular.
 */

/** @typedef {number[][]} Matrix */

/** Sweeps over all pairs of axes after which nothing is left to turn, and more. */
const SWEEPS = 30;

/**
 * @param {Matrix} a
 * @param {Matrix} b
 * @returns {Matrix}
 */
export function product(a, b) {
  return a.map((row) => b[0].map((_, j) => row.reduce((sum, each, k) => sum + each * b[k][j], 0)));
}

/**
 * @param {Matrix} a
 * @returns {Matrix}
 */
export function transposed(a) {
  return a[0].map((_, j) => a.map((row) => row[j]));
}

/**
 * @param {number[]} a
 * @param {ArrayLike<number>} b
 */
export function dot(a, b) {
  return a.reduce((sum, each, k) => sum + each * b[k], 0);
}

/**
 * The product of a matrix and a vector.
 *
 * @param {Matrix} matrix
 * @param {ArrayLike<number>} vector
 * @returns {number[]}
 */
export function times(matrix, vector) {
  return matrix.map((row) => dot(row, vector));
}

/**
 * The inverse of a matrix of three rows and columns.
 *
 * @param {Matrix} matrix
 * @returns {Matrix}
 */
export function inverse([a, b, c]) {
  const columns = [cross(b, c), cross(c, a), cross(a, b)];
  const determinant = dot(a, columns[0]);
  return transposed(columns).map((row) => row.map((each) => each / determinant));
}

/**
 * Eigenvalues of a symmetric matrix, the smallest first, and their axes in the same order.
 *
 * @param {Matrix} matrix (n, n)
 * @returns {{values: number[], axes: Matrix}} `axes[j]` is the axis of `values[j]`, of length 1
 */
export function eigen(matrix) {
  const size = matrix.length;
  const left = matrix.map((row) => row.slice());
  const axes = matrix.map((_, i) => matrix.map((__, j) => (i === j ? 1 : 0)));
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    let turned = false;
    for (let p = 0; p < size; p++) {
      for (let q = p + 1; q < size; q++) turned = rotate(left, axes, p, q) || turned;
    }
    if (!turned) break;
  }
  const order = axes.map((_, i) => i).sort((i, j) => left[i][i] - left[j][j]);
  return { values: order.map((i) => left[i][i]), axes: order.map((i) => axes[i]) };
}

/**
 * A symmetric matrix raised to a power.
 *
 * @param {Matrix} matrix (n, n), its eigenvalues 0 or more
 * @param {number} exponent such as 0.5 for the square root
 * @param {number} [floor] smaller eigenvalues are raised to this first
 * @returns {Matrix}
 */
export function matrixPower(matrix, exponent, floor = 0) {
  const { values, axes } = eigen(matrix);
  return composed(
    values.map((value) => Math.max(value, floor) ** exponent),
    axes,
  );
}

/**
 * The symmetric matrix with these eigenvalues and axes.
 *
 * @param {number[]} values
 * @param {Matrix} axes
 * @returns {Matrix}
 */
export function composed(values, axes) {
  return product(
    transposed(axes),
    axes.map((axis, j) => axis.map((each) => each * values[j])),
  );
}

/**
 * The matrix with orthonormal rows that is nearest to another: `U V^T` of its singular value
 * decomposition, by one-sided rotations of its rows (Hestenes, 1958).
 *
 * @param {Matrix} near (m, n), m <= n; else its columns are made orthonormal
 * @returns {Matrix}
 */
export function nearestOrthonormal(near) {
  if (near.length > near[0].length) return transposed(nearestOrthonormal(transposed(near)));
  const rows = near.map((row) => row.slice());
  const turns = near.map((_, i) => near.map((__, j) => (i === j ? 1 : 0)));
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    let turned = false;
    for (let p = 0; p < rows.length; p++) {
      for (let q = p + 1; q < rows.length; q++) {
        const square = [dot(rows[p], rows[p]), dot(rows[p], rows[q]), dot(rows[q], rows[q])];
        if (Math.abs(square[1]) <= Number.EPSILON * Math.sqrt(square[0] * square[2])) continue;
        const [cosine, sine] = rotation(square[0], square[1], square[2]);
        mix(rows, p, q, cosine, sine);
        mix(turns, p, q, cosine, sine);
        turned = true;
      }
    }
    if (!turned) break;
  }
  const lengths = rows.map((row) => Math.sqrt(dot(row, row)));
  const least = Math.max(...lengths) * Number.EPSILON;
  /** @type {Matrix} */
  const known = [];
  const found = rows.map((row, i) => {
    if (lengths[i] > least) known.push(row.map((each) => each / lengths[i]));
    return lengths[i] > least ? known[known.length - 1] : null;
  });
  // A row of nothing may point wherever the others do not.
  const units = found.map((row) => {
    if (row) return row;
    known.push(apartFrom(known, near[0].length));
    return known[known.length - 1];
  });
  return product(transposed(turns), units);
}

/**
 * A vector of length 1 at right angles to others.
 *
 * @param {Matrix} others orthonormal
 * @param {number} size
 * @returns {number[]}
 */
function apartFrom(others, size) {
  /** @type {number[]} */
  let best = new Array(size).fill(0);
  for (let k = 0; k < size; k++) {
    /** @type {number[]} */
    let tried = best.map((_, i) => (i === k ? 1 : 0));
    for (const other of others) {
      const along = dot(tried, other);
      tried = tried.map((each, i) => each - along * other[i]);
    }
    if (dot(tried, tried) > dot(best, best)) best = tried;
  }
  const length = Math.sqrt(dot(best, best));
  return best.map((each) => each / length);
}

/**
 * Turn two axes of a symmetric matrix until they have nothing in common.
 *
 * @param {Matrix} matrix changed
 * @param {Matrix} axes changed
 * @param {number} p
 * @param {number} q
 * @returns {boolean} whether there was anything to turn
 */
function rotate(matrix, axes, p, q) {
  const shared = matrix[p][q];
  const scale = Math.abs(matrix[p][p]) + Math.abs(matrix[q][q]);
  if (Math.abs(shared) <= (Number.EPSILON / 4) * scale) return false;
  const [cosine, sine] = rotation(matrix[p][p], shared, matrix[q][q]);
  mix(matrix, p, q, cosine, sine);
  for (const row of matrix) {
    const [a, b] = [row[p], row[q]];
    row[p] = cosine * a - sine * b;
    row[q] = sine * a + cosine * b;
  }
  matrix[p][q] = matrix[q][p] = 0;
  mix(axes, p, q, cosine, sine);
  return true;
}

/**
 * Cosine and sine of the turn that makes `[[a, b], [b, c]]` diagonal.
 *
 * @param {number} a
 * @param {number} b not 0
 * @param {number} c
 * @returns {[number, number]}
 */
function rotation(a, b, c) {
  const half = (c - a) / (2 * b);
  const tangent = (half < 0 ? -1 : 1) / (Math.abs(half) + Math.sqrt(half * half + 1));
  const cosine = 1 / Math.sqrt(tangent * tangent + 1);
  return [cosine, tangent * cosine];
}

/**
 * @param {Matrix} rows changed
 * @param {number} p
 * @param {number} q
 * @param {number} cosine
 * @param {number} sine
 */
function mix(rows, p, q, cosine, sine) {
  const [a, b] = [rows[p], rows[q]];
  rows[p] = a.map((each, i) => cosine * each - sine * b[i]);
  rows[q] = a.map((each, i) => sine * each + cosine * b[i]);
}

/**
 * @param {number[]} a
 * @param {number[]} b
 */
function cross(a, b) {
  return [0, 1, 2].map((i) => {
    const [j, k] = [(i + 1) % 3, (i + 2) % 3];
    return a[j] * b[k] - a[k] * b[j];
  });
}
