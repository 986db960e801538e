import type { Model } from '../graph/index.ts';
import type { Drop, Evaluation } from '../measure/index.ts';
import type { FusionReport, PassNote } from '../transform/index.ts';
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

/** How fast a variant ran, next to the baseline in the same run. */
export interface Timing {
  readonly given: Pace;
  /** Samples per second at `settings`. */
  readonly throughput: number;
  /** Throughput over the baseline's. */
  readonly speedup: number;
  readonly speedupLow: number;
  readonly speedupHigh: number;
  /** CPU-seconds per sample at `settings`. */
  readonly cpuPerSample: number;
  /** Upper bound of CPU time per sample over the baseline's. */
  readonly cpuRatioHigh: number;
  /** 99th percentile of one call at `settings`, ms. */
  readonly p99: number;
  /** Median of one call with one sample, ms. */
  readonly latency: number;
  /** `latency` over the baseline's. */
  readonly latencyRatio: number;
  readonly latencyRatioLow: number;
  readonly latencyRatioHigh: number;
}

/** How much one layer alone, quantized, disturbs the outputs. */
export interface Sensitivity {
  readonly node: string;
  readonly op: string;
  /** dB; small is sensitive. */
  readonly sqnr: number;
}

/** A recipe applied, and what is known of the result. */
export interface Variant {
  readonly id: string;
  readonly title: string;
  readonly recipe: Recipe;
  readonly model: Model;
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
  /** On the held-out part, for finalists. */
  heldOut?: { evaluation: Evaluation; drop: Drop };
  timing?: Timing;
  status: 'baseline' | 'chosen' | 'front' | 'dominated' | 'rejected';
  why: string;
}
