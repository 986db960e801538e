/** How a number came to be. */
export type How = 'measured' | 'estimated' | 'modelled' | 'given';

export interface Interval {
  readonly low: number;
  readonly high: number;
  /** Confidence level, 0.95 say. */
  readonly level: number;
  /** 'bootstrap (percentile, 2000 resamples)', 'Wilson', 'order statistics', 'declared bounds', ... */
  readonly method: string;
}

/** A record: one figure, with all that is needed to believe or repeat it. (The name Record is taken by the language.) */
export interface Measurement {
  /** Dotted name: 'latency.p50', 'throughput', 'memory.peak', 'accuracy.top1', 'energy.per-inference'. */
  readonly what: string;
  readonly value: number;
  /** SI or '%': 'ms', '1/s', 'B', 'J', 'USD', 'g', '1'. */
  readonly unit: string;
  readonly interval?: Interval;
  readonly how: How;
  /** One sentence: what was done to get it. */
  readonly method: string;
  /** Number of observations. */
  readonly n: number;
  /** The settings it holds for: batch, threads, provider, ... */
  readonly settings?: Readonly<Record<string, string | number | boolean>>;
  /** Id of the machine (see machine.ts). */
  readonly machine: string;
  /** ISO 8601. */
  readonly at: string;
}
