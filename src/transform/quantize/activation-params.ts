import { fail } from '../../base/index.ts';
import type { ValueRange } from './calibrate/ranges.ts';
import { paramsInside, paramsOf, type QParams } from './numbers.ts';
import type { Placement } from './placement.ts';

/**
 * Scale and zero point of every value of a placement, one pair a group. A group covers the ranges of all its values;
 * Softmax and Sigmoid have the range of their definition; where a Relu or Clip is to vanish, the whole dequantized range lies within its
 * ends (for Relu: the zero point is the lowest number).
 */
export function activationParams(
  placement: Placement,
  ranges: ReadonlyMap<string, ValueRange>,
  type: 'uint8' | 'int8',
): Map<string, QParams> {
  const params = new Map<string, QParams>();
  for (const { values, bounds } of placement.groups) {
    let low = 0;
    let high = 0;
    let known = false;
    for (const value of values) {
      const fixed = placement.makers.get(value)?.row.outputRange;
      const range = fixed === undefined ? ranges.get(value) : { low: fixed[0], high: fixed[1] };
      if (range === undefined) continue;
      known = true;
      low = Math.min(low, range.low);
      high = Math.max(high, range.high);
    }
    if (!known) throw fail('CALIBRATION_NEEDED', `no finite value of ${values.join(', ')} was seen`);
    if (bounds !== undefined) {
      low = Math.max(low, bounds.low);
      high = Math.min(high, bounds.high);
    }
    let common = paramsOf(low, high, type);
    if (bounds !== undefined) common = paramsInside(common, bounds.low, bounds.high);
    for (const value of values) params.set(value, common);
  }
  return params;
}
