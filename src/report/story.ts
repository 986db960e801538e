import type { Measurement } from '../measure/index.ts';

/** A figure as a report shows it. */
export interface Figure {
  readonly value: number;
  readonly unit: string;
  readonly low?: number;
  readonly high?: number;
}

/** What is known of a variant; absent where it was not measured. */
export interface StoryFigures {
  /** The metric on the search part. */
  readonly accuracy?: Figure;
  /** Loss against the model as given on the search part, in the metric's unit; positive is worse. */
  readonly drop?: Figure;
  /** The same two on the held-out part: measured for the finalists alone, never tuned on. */
  readonly heldOutAccuracy?: Figure;
  readonly heldOutDrop?: Figure;
  /** Median of one call with one sample, ms. */
  readonly latency?: Figure;
  /** 99th percentile of one call at the chosen settings, ms. */
  readonly p99?: Figure;
  /** Samples per second at the chosen settings. */
  readonly throughput?: Figure;
  /** Dollars per million samples at the chosen settings. */
  readonly cost?: Figure;
  /** Joules per sample at the chosen settings. */
  readonly energy?: Figure;
  /** CPU-seconds per sample at the chosen settings. */
  readonly cpu?: Figure;
  /** Bytes of the model file. */
  readonly size?: Figure;
  /** Throughput against the model as given under the runtime's defaults (1: the same), paired and interleaved. */
  readonly speedup?: Figure;
  /** Time of one call with one sample against the model as given (below 1: faster), paired and interleaved. */
  readonly latencyRatio?: Figure;
}

export interface StoryVariant {
  readonly id: string;
  readonly title: string;
  /** The passes in order, with their settings in words. */
  readonly recipe: readonly string[];
  readonly status: 'baseline' | 'chosen' | 'front' | 'dominated' | 'rejected';
  /** Why it has that status. */
  readonly why: string;
  /** Batch, threads, instances, provider, graph level. */
  readonly settings: Readonly<Record<string, string | number>>;
  readonly figures: StoryFigures;
}

/** What was decided on one technique, and why. */
export interface Decision {
  readonly technique: string;
  readonly outcome: 'taken' | 'refused' | 'not tried';
  /** With figures where it was tried. */
  readonly why: string;
}

/** How a model is run. */
export interface StorySettings {
  readonly batch: number;
  readonly threads: number;
  readonly instances: number;
  readonly level: string;
  readonly provider: string;
}

/** One look of the search. */
export interface StoryLook {
  /** Title of the variant, or what was asked for where it could not be made. */
  readonly what: string;
  readonly settings: string;
  /** 0: few samples and a short race. 1: the whole search part, more rounds. */
  readonly rung: number;
  /** Why the search looked there. */
  readonly why: string;
  /** Against the model as given (bytes where size is minimized); absent where it could not be made. */
  readonly objective?: number;
  /** In the unit of the metric. */
  readonly drop?: number;
  /** Why it could not be made. */
  readonly failed?: string;
  readonly seconds: number;
}

export interface LayerTime {
  readonly name: string;
  readonly op: string;
  /** Mean microseconds per run. */
  readonly us: number;
}

/** A step of the chosen recipe and where the objective stood after it. */
export interface StoryStep {
  readonly title: string;
  /** Samples per second after this step. */
  readonly throughput?: Figure;
  readonly latency?: Figure;
  readonly accuracy?: Figure;
  readonly size?: Figure;
}

/** All that a report of one `optimize` shows; plain JSON. */
export interface Story {
  readonly model: {
    readonly name: string;
    readonly bytes: number;
    readonly sha256: string;
    readonly parameters?: number;
    readonly macs?: number;
  };
  readonly data: {
    readonly name: string;
    readonly size: number;
    readonly calibration: number;
    readonly search: number;
    readonly heldOut: number;
    readonly rule: string;
    /** Samples to learn from, where there were some, and those left out because they are in the data too. */
    readonly training?: number;
    readonly trainingShared?: number;
  };
  readonly metric: { readonly name: string; readonly unit: string; readonly higherIsBetter: boolean };
  readonly goal: {
    readonly minimize: 'latency' | 'cost' | 'energy' | 'size';
    readonly maxDrop: number;
    readonly p99?: number;
    readonly minValue?: number;
    readonly maxBytes?: number;
    readonly confidence: number;
  };
  /** One or two sentences: what was chosen, what it gains and keeps. */
  readonly verdict: string;
  readonly met: boolean;
  readonly variants: readonly StoryVariant[];
  readonly chosen: string;
  /** How the chosen variant is run for the most samples per second, and how for a single call. */
  readonly settings?: StorySettings;
  readonly latencySettings?: StorySettings;
  /** Per-layer time of the baseline and of the chosen variant, one sample, one thread. */
  readonly layers?: { readonly before: readonly LayerTime[]; readonly after: readonly LayerTime[] };
  /** How much each layer alone costs when quantized: signal to noise in dB, small is sensitive. */
  readonly sensitivity?: readonly { readonly node: string; readonly op: string; readonly sqnr: number }[];
  readonly steps: readonly StoryStep[];
  /** What the runtime did with the quantized nodes of the chosen variant. */
  readonly fusion?: readonly {
    readonly node: string;
    readonly op: string;
    readonly status: string;
    readonly why: string;
  }[];
  /** Every technique there is: taken, refused, or not tried. */
  readonly decisions?: readonly Decision[];
  /** Every step of the search, in order. */
  readonly looks?: readonly StoryLook[];
  readonly skipped: readonly { readonly what: string; readonly why: string }[];
  /** Name and value of what describes the machine. */
  readonly machine: readonly (readonly [string, string])[];
  readonly records: readonly Measurement[];
  readonly seed: number;
  readonly seconds: number;
  readonly at: string;
  readonly version: string;
}
