import type { OpName } from '../../graph/index.ts';
import { type GradientRule, STOPS } from './rule.ts';

/** Steps, choices and shapes: flat wherever they have a slope at all, so nothing flows back along them. */
export const STOPPED = {
  Ceil: STOPS,
  Floor: STOPS,
  Round: STOPS,
  Sign: STOPS,
  Hardmax: STOPS,
  ArgMax: STOPS,
  ArgMin: STOPS,
  Equal: STOPS,
  Greater: STOPS,
  GreaterOrEqual: STOPS,
  Less: STOPS,
  LessOrEqual: STOPS,
  IsInf: STOPS,
  IsNaN: STOPS,
  NonZero: STOPS,
  Shape: STOPS,
  Size: STOPS,
} as const satisfies Partial<Record<OpName, GradientRule>>;
