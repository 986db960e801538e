import type { Random } from '../../base/index.ts';

/** Makes the first values of a weight of `size` elements. */
export type Fill = (size: number, random: Random) => Float32Array;

/** The same number everywhere. */
export const filled =
  (value: number): Fill =>
  (size) =>
    new Float32Array(size).fill(value);

/** Normal with mean 0. */
export const normal =
  (deviation: number): Fill =>
  (size, random) =>
    Float32Array.from({ length: size }, () => deviation * random.normal());

/**
 * For weights before a Relu: normal, variance 2 / fanIn, so that values keep their size from layer to layer
 * (He et al. 2015, eq. 10).
 */
export const he = (fanIn: number): Fill => normal(Math.sqrt(2 / fanIn));

/** For weights without a Relu after them: uniform within ±sqrt(6 / (fanIn + fanOut)) (Glorot and Bengio 2010, eq. 16). */
export function xavier(fanIn: number, fanOut: number): Fill {
  const limit = Math.sqrt(6 / (fanIn + fanOut));
  return (size, random) => Float32Array.from({ length: size }, () => limit * (2 * random.uniform() - 1));
}
