import type { Model } from '../graph/index.ts';
import type { Drop, Evaluation } from '../measure/index.ts';
import type { FusionReport, PassNote } from '../transform/index.ts';
import type { Exiting, Runnable } from './contestant.ts';
import type { Recipe } from './recipe.ts';
import type { RunSettings } from './settings.ts';

/** The model as given, in the same run. */
export interface Pace {
  /** Samples per second. */
  readonly throughput: number;
  /** Median of one call with one sample, ms. */
  readonly latency: number;
  /** CPU-seconds per sample. */
  readonly cpuPerSample: number;
  /** 99th percentile of one call, ms. */
  readonly p99: number;
}

/** A ratio to the baseline, from pairs of slices within one run. */
export interface Ratio {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/**
 * How fast a variant ran, next to the baseline in the same run. Only the ratios are to be compared between variants: the
 * machine may have been busier in one run than in another.
 */
export interface Timing {
  /** The baseline in these runs. */
  readonly given: Pace;
  /** Samples per second over the baseline's; above 1 is faster. */
  readonly throughput: Ratio;
  /** CPU time per sample over the baseline's; below 1 is less. */
  readonly cpu: Ratio;
  /** Median of one call with one sample over the baseline's; below 1 is faster. */
  readonly latency: Ratio;
  /** 99th percentile of one call at `settings`, ms. */
  readonly p99: number;
}

/** A recipe applied, and what is known of the result. */
export interface Variant {
  readonly id: string;
  readonly title: string;
  readonly recipe: Recipe;
  readonly model: Model;
  /** Where samples leave early: `model` is then its one file. */
  readonly exits?: Exiting;
  /** Bytes of the model, weights included. */
  readonly bytes: number;
  /** Outputs equal the baseline's up to rounding, by the declared errors of its passes. */
  readonly faithful: boolean;
  readonly notes: readonly PassNote[];
  /** What the runtime made of the quantized nodes. */
  readonly fusion?: FusionReport;
  settings: RunSettings;
  /** On the search part. */
  evaluation?: Evaluation;
  /** Loss on the search part. */
  drop?: Drop;
  /** Noise over signal of the outputs against the model as given. */
  noise?: number;
  /** On the held-out part, for finalists. */
  heldOut?: { evaluation: Evaluation; drop: Drop };
  timing?: Timing;
  status: 'baseline' | 'chosen' | 'front' | 'dominated' | 'rejected';
  why: string;
}

/** What is opened to judge a variant. */
export function runnableOf({ exits, model }: Pick<Variant, 'exits' | 'model'>): Runnable {
  return exits ?? model;
}
