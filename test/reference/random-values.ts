import type { Random } from '../../src/base/index.ts';
import { sizeOf } from '../../src/graph/index.ts';
import { float, type Value } from './value.ts';

export interface RandomValueOptions {
  /** Lowest and highest value, default -2 and 2. */
  readonly low?: number;
  readonly high?: number;
  /** Numbers to keep away from: where a function is not differentiable. Default none. */
  readonly awayFrom?: readonly number[];
  /** Least distance from those, default 0.05. */
  readonly distance?: number;
  /** Least distance of any two elements from each other: for maxima and for sorting. Default none. */
  readonly apart?: number;
}

/**
 * Uniform random floats that keep their distance, rounded to float32, so that a runtime that computes in float32 sees the
 * same numbers. Throws where the range has no room for them.
 */
export function randomValues(
  random: Random,
  dims: readonly number[],
  { low = -2, high = 2, awayFrom = [], distance = 0.05, apart = 0 }: RandomValueOptions = {},
): Value {
  const data = new Float64Array(sizeOf(dims));
  for (let i = 0; i < data.length; i++) {
    let tries = 0;
    do {
      if (tries++ > 10_000) throw new Error(`no room for ${data.length} values in [${low}, ${high}]`);
      data[i] = Math.fround(low + (high - low) * random.uniform());
    } while (
      awayFrom.some((kink) => Math.abs(data[i]! - kink) < distance) ||
      (apart > 0 && data.subarray(0, i).some((other) => Math.abs(data[i]! - other) < apart))
    );
  }
  return float(dims, data);
}
