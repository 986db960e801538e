import { errorFunction } from 'simple-statistics';

/** P(Z <= x) of the standard normal; absolute error below 2e-7 (Abramowitz and Stegun 7.1.26 underneath). */
export function normalCdf(x: number): number {
  return 0.5 * (1 + errorFunction(x / Math.SQRT2));
}

/** Ratio of two polynomials, coefficients from the highest power down. */
function ratio(x: number, above: readonly number[], below: readonly number[]): number {
  let top = 0;
  let bottom = 0;
  for (const coefficient of above) top = top * x + coefficient;
  for (const coefficient of below) bottom = bottom * x + coefficient;
  return top / bottom;
}

/**
 * The z with P(Z <= z) = p, for 0 < p < 1; relative error about 1e-7 (Wichura 1988, Algorithm AS 241, PPND7).
 * simple-statistics' probit is off by up to 4e-3 in the tails, which would show in the intervals.
 */
export function normalQuantile(p: number): number {
  const q = p - 0.5;
  if (Math.abs(q) <= 0.425) {
    const r = 0.180625 - q * q;
    return (
      q *
      ratio(
        r,
        [59.10937472, 159.29113202, 50.434271938, 3.3871327179],
        [67.1875636, 78.757757664, 17.895169469, 1],
      )
    );
  }
  if (p <= 0) return Number.NEGATIVE_INFINITY;
  if (p >= 1) return Number.POSITIVE_INFINITY;
  const r = Math.sqrt(-Math.log(q < 0 ? p : 1 - p));
  const z =
    r <= 5
      ? ratio(
          r - 1.6,
          [0.17023821103, 1.3067284816, 2.75681539, 1.4234372777],
          [0.12021132975, 0.7370016425, 1],
        )
      : ratio(
          r - 5,
          [0.017337203997, 0.42868294337, 3.081226386, 6.657905115],
          [0.012258202635, 0.24197894225, 1],
        );
  return q < 0 ? -z : z;
}

/** How sure an interval is, and whether its bounds are meant one at a time. */
export interface Level {
  /** Confidence level, 0.95 unless told. */
  readonly level?: number;
  /** True: each bound alone holds at `level` (use one of them). False: both together do. */
  readonly oneSided?: boolean;
}

/** The probability left beyond one bound. */
export function tailOf({ level = 0.95, oneSided = false }: Level): number {
  return oneSided ? 1 - level : (1 - level) / 2;
}
