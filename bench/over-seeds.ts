import type { Dataset } from '../src/data/index.ts';
import type { Model } from '../src/graph/index.ts';
import { type Evaluation, evaluate, metricByName, pairedBootstrap } from '../src/measure/index.ts';
import { openSession } from '../src/run/index.ts';
import { SEED } from './race.ts';

/** Share of samples that a model answers rightly, %. */
export async function top1(model: Model | string, data: Dataset): Promise<Evaluation> {
  const session = await openSession(model, { threads: 1 });
  try {
    return await evaluate(session, data, metricByName('top1'), { batch: 64, seed: SEED });
  } finally {
    await session.dispose();
  }
}

/** '99.31 % (99.18 to 99.41)' */
export function share({ value, interval }: Evaluation): string {
  return `${value.toFixed(2)} % (${interval.low.toFixed(2)} to ${interval.high.toFixed(2)})`;
}

/** '99.20 (99.17, 99.20, 99.23)': the mean over seeds, and each. */
export function seedsText(runs: readonly Evaluation[]): string {
  const each = runs.map(({ value }) => value.toFixed(2)).join(', ');
  return `**${mean(runs.map(({ value }) => value)).toFixed(2)} %** (${each})`;
}

/**
 * Points by which the mean over the seeds of `ours` lies above that of `theirs`, on the same samples, with the paired 95 %
 * bootstrap interval over the samples. The seeds are as they are: the interval says nothing of other seeds.
 */
export function difference(ours: readonly Evaluation[], theirs: readonly Evaluation[]): string {
  const { n } = ours[0]!;
  const [first, second] = [meanRows(ours), meanRows(theirs)];
  const points = (rows: Float64Array) => (chosen: Uint32Array) => {
    let sum = 0;
    for (const i of chosen) sum += rows[i]!;
    return (100 * sum) / chosen.length;
  };
  const { low, high } = pairedBootstrap(n, points(first), points(second), { seed: SEED });
  const value = mean(ours.map((run) => run.value)) - mean(theirs.map((run) => run.value));
  return `${signed(value)} (${signed(low)} to ${signed(high)})`;
}

function meanRows(runs: readonly Evaluation[]): Float64Array {
  return runs[0]!.rows.map((_, i) => mean(runs.map(({ rows }) => rows[i]!)));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function signed(value: number): string {
  return `${value < 0 ? '-' : '+'}${Math.abs(value).toFixed(2)}`;
}
