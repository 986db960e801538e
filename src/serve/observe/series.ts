/**
 * What the server tells of its last quarter of an hour: the JSON of GET /v2/modicum/series, and of the events of
 * GET /v2/modicum/live. Times are seconds since 1970, durations ms, energy J, money USD. Every quantity is of the
 * point's own time (nothing accumulates) unless its name says total.
 */
export interface SeriesDocument {
  readonly schema: 1;
  readonly server: ServerFacts;
  /** Seconds that a point spans: the `step` asked for (1 to 60, default 1). Histograms are merged, percentiles are never averaged. */
  readonly step: number;
  /** Start of each point, ascending, without gaps; the last one is complete. At most 900 / step. */
  readonly times: readonly number[];
  readonly models: readonly ModelSeries[];
  /** By API key, since the start; empty where the server has no keys. The dearest 100, the rest as "(others)". */
  readonly keys: readonly KeyTotal[];
  /** What an operator should know, the newest last; at most 100. */
  readonly events: readonly SeriesEvent[];
}

export interface ServerFacts {
  readonly version: string;
  readonly startedAt: number;
  readonly now: number;
  readonly ready: boolean;
  readonly cores: number;
  /** CPU time of the whole process tree's computing plus the server's own process by wall time x cores, the last point: 0 to 1. */
  readonly busy: number;
  /** Bytes of memory of the server's own process. */
  readonly memory: number;
  readonly energy: {
    /** 'rapl-share' | 'watts-declared' | 'watts-table' | 'unknown', as in the header x-modicum-joules-method. */
    readonly method: string;
    /** A sentence: where the watts come from, with bounds. */
    readonly origin: string;
    readonly wattsPerCore?: number;
  };
  readonly money?: {
    /** USD an hour of the whole machine. */
    readonly perHour: number;
    readonly origin: string;
  };
  /** Grid of the region, where one is set: grams of CO2 equivalent a kWh. */
  readonly grid?: { readonly region: string; readonly gramsPerKwh: number };
}

/** One version of one model. */
export interface ModelSeries {
  readonly name: string;
  readonly version: string;
  readonly platform: string;
  readonly now: ModelNow;
  /** Each as long as `times`. */
  readonly points: ModelPoints;
  /** Early exits: samples that left at each stage, by point; one row a stage, [] for a model without exits. */
  readonly exits: readonly (readonly number[])[];
  /** Batches by their size over the whole window, ascending by size. */
  readonly batchSizes: readonly { readonly size: number; readonly batches: number }[];
  /** Latency over the whole window: requests answered in at most `upTo` ms and more than the row before. Empty rows are left out. */
  readonly latencies: readonly { readonly upTo: number; readonly requests: number }[];
  /** Refusals and failures over the whole window by code of the catalogue, the most frequent first. */
  readonly reasons: readonly { readonly code: string; readonly requests: number }[];
  /** Since the model was loaded. */
  readonly total: ModelTotal;
}

/** As it is at this moment (ServedState). */
export interface ModelNow {
  readonly state: 'READY' | 'LOADING' | 'UNLOADING' | 'UNAVAILABLE';
  readonly reason: string;
  /** Share of the requests that name no version, 0 to 1. */
  readonly share: number;
  readonly queued: number;
  readonly inFlight: number;
  readonly instances: number;
  readonly goalMs: number;
  readonly maxBatch: number;
  /** Learned: ms of a batch by its size. */
  readonly curve: readonly {
    readonly batch: number;
    readonly mean: number;
    readonly high: number;
    readonly seen: number;
  }[];
}

/** Columns: what happened in each point. null where nothing happened that could be measured. */
export interface ModelPoints {
  /** Requests finished, however. requests = ok + refused + failed. */
  readonly requests: readonly number[];
  readonly ok: readonly number[];
  /** Refused in time: overload, deadline, limits, bad input (status 4xx, 503 and 504). */
  readonly refused: readonly number[];
  /** Not answered though admitted (other 5xx). */
  readonly failed: readonly number[];
  /** Samples answered. */
  readonly samples: readonly number[];
  readonly cached: readonly number[];
  /** Latency of answered requests, first byte in to last byte out; within 4 %. */
  readonly p50: readonly (number | null)[];
  readonly p90: readonly (number | null)[];
  readonly p99: readonly (number | null)[];
  readonly max: readonly (number | null)[];
  /** Time in the queue of answered requests, 99th percentile; within 4 %. */
  readonly queueP99: readonly (number | null)[];
  /** Mean compute time of a batch. */
  readonly computeMean: readonly (number | null)[];
  readonly batches: readonly number[];
  /** Mean samples of a batch. */
  readonly batchMean: readonly (number | null)[];
  /** Waiting requests, highest of the looks in this point. */
  readonly queued: readonly number[];
  readonly inFlight: readonly number[];
  readonly cpuSeconds: readonly number[];
  /** null: the energy is not known. */
  readonly joules: readonly (number | null)[];
  /** null: no price is set. */
  readonly dollars: readonly (number | null)[];
}

export interface ModelTotal {
  readonly requests: number;
  readonly ok: number;
  readonly refused: number;
  readonly failed: number;
  readonly samples: number;
  readonly batches: number;
  readonly cached: number;
  readonly cpuSeconds: number;
  readonly joules: number | null;
  readonly dollars: number | null;
}

export interface KeyTotal {
  readonly key: string;
  readonly requests: number;
  readonly refused: number;
  readonly cpuSeconds: number;
  readonly joules: number | null;
  readonly dollars: number | null;
}

export interface SeriesEvent {
  readonly at: number;
  readonly kind: string;
  readonly facts: Readonly<Record<string, unknown>>;
}

/**
 * An event of /v2/modicum/live (`event: second`, data in JSON), sent once a second: the point that has just ended.
 * `event: hello` with a SeriesDocument comes first.
 */
export interface LiveSecond {
  /** Start of the second. */
  readonly time: number;
  readonly server: ServerFacts;
  readonly models: readonly LiveModel[];
  readonly keys: readonly KeyTotal[];
  /** Those of this second. */
  readonly events: readonly SeriesEvent[];
}

export interface LiveModel {
  readonly name: string;
  readonly version: string;
  readonly platform: string;
  readonly now: ModelNow;
  /** The columns of ModelPoints, one value each. */
  readonly point: { readonly [Column in keyof ModelPoints]: ModelPoints[Column][number] };
  /** Samples that left at each stage in this second. */
  readonly exits: readonly number[];
  readonly batchSizes: readonly { readonly size: number; readonly batches: number }[];
  readonly total: ModelTotal;
}
