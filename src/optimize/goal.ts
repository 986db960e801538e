import { fail } from '../base/index.ts';

/** What is made as small as possible among the variants that meet the constraints. */
export const OBJECTIVES = {
  latency: 'milliseconds of one call with one sample (median)',
  cost: 'dollars per million samples, at the best batch and thread settings',
  energy: 'joules per sample, at the best batch and thread settings',
  size: 'bytes of the model file',
} as const satisfies Record<string, string>;

export type Objective = keyof typeof OBJECTIVES;

/** Constraints, and what to minimize under them. */
export interface Goal {
  readonly metric: string;
  /** The most the metric may lose against the model as given, in its unit (points for shares). */
  readonly maxDrop: number;
  /** The least (or for error metrics the most) value that the metric must reach on the held-out part. */
  readonly minValue?: number;
  /** Bound on the 99th percentile of one call, in ms. */
  readonly p99?: number;
  /** Bound on the model file, in bytes. */
  readonly maxBytes?: number;
  readonly minimize: Objective;
  /** Confidence that the drop stays within maxDrop, one-sided. */
  readonly confidence: number;
}

/** Checks a goal and fills in what is left open: drop 1, minimize cost, confidence 0.95. Throws USAGE_BAD_OPTION. */
export function makeGoal(partial: Partial<Goal> & { metric: string }): Goal {
  const goal: Goal = { maxDrop: 1, minimize: 'cost', confidence: 0.95, ...dropUndefined(partial) };
  const positive = (name: 'p99' | 'maxBytes') => {
    const value = goal[name];
    if (value !== undefined && !(value > 0))
      throw fail('USAGE_BAD_OPTION', `${name} is ${value}, not above 0`);
  };
  if (!(goal.maxDrop >= 0))
    throw fail('USAGE_BAD_OPTION', `the largest drop is ${goal.maxDrop}, not 0 or more`);
  positive('p99');
  positive('maxBytes');
  if (!(goal.confidence >= 0.5 && goal.confidence < 1)) {
    throw fail('USAGE_BAD_OPTION', `the confidence is ${goal.confidence}, not in 0.5..1`);
  }
  if (!Object.hasOwn(OBJECTIVES, goal.minimize)) {
    throw fail(
      'USAGE_BAD_OPTION',
      `"${goal.minimize}" cannot be minimized; ${Object.keys(OBJECTIVES).join(', ')} can`,
    );
  }
  return goal;
}

function dropUndefined<T extends object>(partial: T): T {
  return Object.fromEntries(Object.entries(partial).filter(([, value]) => value !== undefined)) as T;
}

/** '10ms', '1.5s' or a plain number of milliseconds. Throws USAGE_BAD_OPTION. */
export function parseMilliseconds(text: string): number {
  const found = /^([0-9.]+)\s*(us|ms|s|m)?$/.exec(text.trim());
  const value = Number(found?.[1]);
  if (found === null || !Number.isFinite(value)) {
    throw fail('USAGE_BAD_OPTION', `"${text}" is no duration; write 10ms or 1.5s`);
  }
  return value * { us: 1e-3, ms: 1, s: 1000, m: 60000 }[found[2] ?? 'ms']!;
}

/** '300kB', '2MB' or a plain number of bytes. Throws USAGE_BAD_OPTION. */
export function parseBytes(text: string): number {
  const found = /^([0-9.]+)\s*(B|kB|KB|MB|GB|KiB|MiB|GiB)?$/.exec(text.trim());
  const value = Number(found?.[1]);
  if (found === null || !Number.isFinite(value)) {
    throw fail('USAGE_BAD_OPTION', `"${text}" is no size; write 300kB or 2MB`);
  }
  const units: Record<string, number> = {
    B: 1,
    kB: 1e3,
    KB: 1e3,
    MB: 1e6,
    GB: 1e9,
    KiB: 1024,
    MiB: 1024 ** 2,
    GiB: 1024 ** 3,
  };
  return value * units[found[2] ?? 'B']!;
}
