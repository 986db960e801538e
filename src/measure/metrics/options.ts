import type { Metric } from './metric.ts';

/** How a metric reads the outputs. */
export interface MetricOptions {
  /** The output to look at. Default: the first; for fidelity all of them. */
  readonly output?: string;
  /** Axis of the classes, [samples, ...] counted with the samples; negative from the end. Default -1. */
  readonly axis?: number;
  /** A single score at or above it means yes. Default 0.5. */
  readonly threshold?: number;
  /** Places of a ranking that count. Default 10. */
  readonly k?: number;
  /** What the scores of a distribution are. Default: told from the values, row by row. */
  readonly scores?: 'probabilities' | 'logits';
}

/** Makes a metric; each evaluation (or pair that is compared) has its own. */
export type MetricMaker = (options?: MetricOptions) => Metric;
