import { fail } from '../../base/index.ts';

/** Rows that are collected before they are added up: long sums over contiguous numbers are fast. */
const CHUNK = 128;

/**
 * Sums of a linear least-squares problem y = W x, in double precision, row by row: X^T X, X^T Y and the sum of y squared.
 * Memory is that of the sums, whatever the number of rows.
 */
export class NormalEquations {
  readonly unknowns: number;
  readonly targets: number;
  rows = 0;
  /** X^T X [unknowns, unknowns], upper half. */
  readonly #gram: Float64Array;
  /** X^T Y [targets, unknowns]. */
  readonly #cross: Float64Array;
  #squares = 0;
  /** Columns of collected rows: [unknowns, CHUNK] and [targets, CHUNK]. */
  readonly #x: Float64Array;
  readonly #y: Float64Array;
  #collected = 0;

  constructor(unknowns: number, targets: number) {
    this.unknowns = unknowns;
    this.targets = targets;
    this.#gram = new Float64Array(unknowns * unknowns);
    this.#cross = new Float64Array(targets * unknowns);
    this.#x = new Float64Array(unknowns * CHUNK);
    this.#y = new Float64Array(targets * CHUNK);
  }

  /** Adds a row: x by the number of the unknown, y by the number of the target. */
  add(x: (unknown: number) => number, y: (target: number) => number): void {
    const at = this.#collected++;
    for (let i = 0; i < this.unknowns; i++) this.#x[i * CHUNK + at] = x(i);
    for (let i = 0; i < this.targets; i++) {
      const value = y(i);
      this.#y[i * CHUNK + at] = value;
      this.#squares += value * value;
    }
    this.rows++;
    if (this.#collected === CHUNK) this.#flush();
  }

  #flush(): void {
    const count = this.#collected;
    if (count === 0) return;
    const [x, n] = [this.#x, this.unknowns];
    for (let i = 0; i < n; i++) {
      const left = x.subarray(i * CHUNK, i * CHUNK + count);
      addProducts(left, x, count, i, n, this.#gram, i * n);
    }
    for (let i = 0; i < this.targets; i++) {
      const left = this.#y.subarray(i * CHUNK, i * CHUNK + count);
      addProducts(left, x, count, 0, n, this.#cross, i * n);
    }
    this.#collected = 0;
  }

  /**
   * W [targets, unknowns] that makes |Y - X W^T|^2 + ridge * m * |W - prior|^2 least, m being the mean of the diagonal of
   * X^T X. The prior (row-major, as W) decides where the rows say nothing.
   */
  solve(prior: Float64Array, ridge: number): Float64Array {
    this.#flush();
    const [n, gram] = [this.unknowns, this.#gram.slice()];
    let trace = 0;
    for (let i = 0; i < n; i++) trace += gram[i * n + i]!;
    // Where all inputs are zero anything fits, and the prior stays.
    const weight = Math.max(ridge * (trace / n), Number.MIN_VALUE * 2 ** 60);
    for (let i = 0; i < n; i++) gram[i * n + i]! += weight;
    factorize(gram, n);
    const solved = this.#cross.map((value, i) => value + weight * prior[i]!);
    for (let i = 0; i < this.targets; i++) substitute(gram, n, solved.subarray(i * n, (i + 1) * n));
    return solved;
  }

  /** |Y - X W^T|^2 as a share of |Y|^2. */
  error(weights: Float64Array): number {
    this.#flush();
    const n = this.unknowns;
    let total = this.#squares;
    for (let t = 0; t < this.targets; t++) {
      const w = weights.subarray(t * n, (t + 1) * n);
      for (let i = 0; i < n; i++) {
        let row = 0.5 * this.#gram[i * n + i]! * w[i]!;
        for (let j = i + 1; j < n; j++) row += this.#gram[i * n + j]! * w[j]!;
        total += 2 * w[i]! * (row - this.#cross[t * n + i]!);
      }
    }
    return this.#squares > 0 ? Math.max(0, total) / this.#squares : 0;
  }
}

/** Adds the products of `left` with columns from..to of `x` to `into`, which starts at `offset`. */
function addProducts(
  left: Float64Array,
  x: Float64Array,
  count: number,
  from: number,
  to: number,
  into: Float64Array,
  offset: number,
): void {
  let j = from;
  // Two columns at once: each number of `left` is read once for both.
  for (; j + 1 < to; j += 2) {
    let [a, b] = [0, 0];
    const [first, second] = [j * CHUNK, (j + 1) * CHUNK];
    for (let r = 0; r < count; r++) {
      const value = left[r]!;
      a += value * x[first + r]!;
      b += value * x[second + r]!;
    }
    into[offset + j]! += a;
    into[offset + j + 1]! += b;
  }
  for (; j < to; j++) {
    let sum = 0;
    for (let r = 0; r < count; r++) sum += left[r]! * x[j * CHUNK + r]!;
    into[offset + j]! += sum;
  }
}

/** Cholesky in place: A = U^T U of a symmetric positive definite matrix, of which the upper half [n, n] is given. */
function factorize(a: Float64Array, n: number): void {
  for (let k = 0; k < n; k++) {
    const pivot = a[k * n + k]!;
    if (!(pivot > 0)) throw fail('INTERNAL', `the sums of a least-squares problem are not positive at ${k}`);
    const root = Math.sqrt(pivot);
    for (let j = k; j < n; j++) a[k * n + j]! /= root;
    for (let i = k + 1; i < n; i++) {
      const factor = a[k * n + i]!;
      if (factor === 0) continue;
      const [row, source] = [i * n, k * n];
      for (let j = i; j < n; j++) a[row + j]! -= factor * a[source + j]!;
    }
  }
}

/** Solves U^T U x = b in place of b. */
function substitute(u: Float64Array, n: number, b: Float64Array): void {
  for (let i = 0; i < n; i++) {
    b[i]! /= u[i * n + i]!;
    for (let j = i + 1; j < n; j++) b[j]! -= u[i * n + j]! * b[i]!;
  }
  for (let i = n - 1; i >= 0; i--) {
    let sum = b[i]!;
    for (let j = i + 1; j < n; j++) sum -= u[i * n + j]! * b[j]!;
    b[i] = sum / u[i * n + i]!;
  }
}
