import { fail, type Progress } from '../base/index.ts';
import type { Split } from '../data/index.ts';
import type { MetricOptions } from '../measure/index.ts';
import { mixPrecision } from '../mix/index.ts';
import type { Goal } from './goal.ts';
import type { Journal } from './journal/journal.ts';
import type { Kitchen } from './recipe.ts';
import type { RunSettings } from './settings.ts';
import type { Candidate } from './space/recipe-of.ts';

export interface MixerOptions {
  readonly kitchen: Kitchen;
  readonly journal: Journal;
  readonly split: Split;
  readonly goal: Goal;
  readonly metricOptions?: MetricOptions;
  readonly seed: number;
  readonly progress: Progress;
  readonly signal?: AbortSignal;
}

/** Assignments that are built and tried, and seconds of their race: the search judges the best by itself. */
const TRIED = { candidates: 5, seconds: 2, samples: 128 } as const;

/**
 * The precision of each layer of a shape, by its sensitivity and its speed here: the best mix within the bound on the search part; the
 * held-out part is not touched. Recorded in the journal. Throws NOTHING_TO_QUANTIZE where no mix holds.
 */
export async function mixedAssignment(
  { title, recipe }: Candidate,
  { provider, threads }: RunSettings,
  { kitchen, journal, split, goal, metricOptions, seed, progress, signal }: MixerOptions,
): Promise<Readonly<Record<string, string>>> {
  const { calibration, search } = split;
  const found = await journal.step(`mix of ${title} on ${provider}`, async () => {
    const { model } = await kitchen.cook(recipe);
    const { bestMix, why } = await mixPrecision(model, search, {
      metric: goal.metric,
      metricOptions,
      maxDrop: goal.maxDrop,
      confidence: goal.confidence,
      minimize: goal.minimize === 'size' ? 'size' : 'latency',
      provider,
      threads,
      parts: { calibration, search, heldOut: search },
      ...TRIED,
      seed,
      progress,
      signal,
    });
    return bestMix === undefined ? { why } : { assignment: bestMix.variant.assignment };
  });
  if (found.assignment === undefined) {
    throw fail('NOTHING_TO_QUANTIZE', `no mix of precisions is worth it: ${found.why}`);
  }
  return found.assignment;
}
