/** A lower triangular matrix, row after row, each of `n` numbers. */
export interface Triangle {
  readonly n: number;
  readonly values: Float64Array;
}

/**
 * The lower triangle L with L L' = A, of a symmetric matrix [n, n] of which the lower half is read. Undefined where A is
 * not positive definite (Golub and Van Loan, Matrix Computations, 4.2).
 */
export function cholesky(a: Float64Array, n: number): Triangle | undefined {
  const values = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = a[i * n + j]!;
      for (let k = 0; k < j; k++) sum -= values[i * n + k]! * values[j * n + k]!;
      if (i !== j) values[i * n + j] = sum / values[j * n + j]!;
      else if (sum > 0) values[i * n + i] = Math.sqrt(sum);
      else return undefined;
    }
  }
  return { n, values };
}

/** x with L x = b. */
export function solveLower({ n, values }: Triangle, b: Float64Array): Float64Array {
  const x = Float64Array.from(b);
  for (let i = 0; i < n; i++) {
    let sum = x[i]!;
    for (let k = 0; k < i; k++) sum -= values[i * n + k]! * x[k]!;
    x[i] = sum / values[i * n + i]!;
  }
  return x;
}

/** x with L' x = b. */
export function solveUpper({ n, values }: Triangle, b: Float64Array): Float64Array {
  const x = Float64Array.from(b);
  for (let i = n - 1; i >= 0; i--) {
    let sum = x[i]!;
    for (let k = i + 1; k < n; k++) sum -= values[k * n + i]! * x[k]!;
    x[i] = sum / values[i * n + i]!;
  }
  return x;
}
