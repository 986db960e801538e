import { fail } from '../base/index.ts';
import type { Tensor } from '../graph/index.ts';
import { judge, type ScoreReading } from './confidence.ts';

/**
 * How sure an exit is of each sample, in [0, 1]; NaN where a score is NaN. `scores` are float32 or float64 [samples, classes] (further
 * axes of one element are allowed; [samples] is one column: yes or no). Throws STAGES_INVALID where they are no rows of numbers.
 */
export function confidencesOf(scores: Tensor, samples: number, rule: ScoreReading): Float64Array {
  const { dims, dtype } = scores;
  const rows = samples === 1 || dims[0] === samples;
  const wide = dims.slice(samples === 1 ? 0 : 1).filter((dim) => dim !== 1).length;
  if (!rows || wide > 1 || scores.size % Math.max(1, samples) !== 0) {
    throw fail('STAGES_INVALID', `scores [${dims}] are not one row of classes for ${samples} samples`);
  }
  if (dtype !== 'float32' && dtype !== 'float64') {
    throw fail('STAGES_INVALID', `scores are ${dtype}; an exit decides by float32 or float64`);
  }
  if (scores.size === 0) return new Float64Array(samples).fill(Number.NaN);
  return judge(scores.as(dtype), scores.size / samples, rule).confidence;
}
