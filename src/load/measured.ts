import { OUTCOMES, type Outcome } from './outcome.ts';
import type { Ran } from './plan.ts';

/** The measured queries of a run, by column, in the order in which they were scheduled. */
export interface Measured {
  readonly queries: number;
  /** ms since the measured part began. */
  readonly scheduled: Float64Array;
  /** ms since the measured part began; NaN where it was never settled. */
  readonly done: Float64Array;
  /** ms from the scheduled time; Infinity where it was not answered. */
  readonly latency: Float64Array;
  /** ms that it was sent late. */
  readonly lateness: Float64Array;
  readonly outcome: readonly Outcome[];
  readonly size: Uint32Array;
  /** Seconds that were measured. */
  readonly seconds: number;
  readonly outcomes: Readonly<Record<Outcome, number>>;
  readonly warmUpQueries: number;
}

/**
 * What of a run counts: not the warm-up. Queries that still waited when a run was ended early count only if they waited longer than
 * half of the answered ones took: with the time they had waited, which their latencies would have exceeded.
 */
export function measuredOf({ recording, warmUpMs, endMs }: Ran): Measured {
  const { scheduled, sent, done, outcome, size } = recording;
  const cancelled = OUTCOMES.indexOf('cancelled');
  const ok = OUTCOMES.indexOf('ok');
  const answered: number[] = [];
  for (let i = 0; i < scheduled.length; i++) {
    if (scheduled[i]! >= warmUpMs && outcome[i] === ok) answered.push(done[i]! - scheduled[i]!);
  }
  answered.sort((a, b) => a - b);
  const median = answered[answered.length >> 1] ?? 0;
  const outcomes = Object.fromEntries(OUTCOMES.map((name) => [name, 0])) as Record<Outcome, number>;
  const rows: number[] = [];
  let warmUpQueries = 0;
  for (let i = 0; i < scheduled.length; i++) {
    if (scheduled[i]! < warmUpMs) {
      warmUpQueries++;
      continue;
    }
    outcomes[OUTCOMES[outcome[i]!]!]++;
    if (outcome[i] !== cancelled || endMs - scheduled[i]! > median) rows.push(i);
  }
  const column = (of: (row: number) => number) => Float64Array.from(rows, of);
  return {
    queries: rows.length,
    scheduled: column((i) => scheduled[i]! - warmUpMs),
    done: column((i) => done[i]! - warmUpMs),
    latency: column((i) =>
      outcome[i] === ok
        ? done[i]! - scheduled[i]!
        : outcome[i] === cancelled
          ? endMs - scheduled[i]!
          : Number.POSITIVE_INFINITY,
    ),
    lateness: column((i) => sent[i]! - scheduled[i]!),
    outcome: rows.map((i) => OUTCOMES[outcome[i]!]!),
    size: Uint32Array.from(rows, (i) => size[i]!),
    seconds: Math.max(0, endMs - warmUpMs) / 1000,
    outcomes,
    warmUpQueries,
  };
}
