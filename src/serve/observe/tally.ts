import { DurationHistogram } from './histogram.ts';
import type { ModelPoints } from './series.ts';

/** More sizes of a batch than this are no use to anybody: the rest counts under the largest. */
const MOST_SIZES = 256;
const MOST_STAGES = 32;
const MOST_REASONS = 40;

/** What happened to one version of a model within some time. Two can be added. */
export class Tally {
  requests = 0;
  ok = 0;
  refused = 0;
  failed = 0;
  samples = 0;
  cached = 0;
  retried = 0;
  batches = 0;
  /** Samples of the batches. */
  batched = 0;
  /** ms, of the batches. */
  computeMs = 0;
  /** ms, of the answered requests. */
  queueMs = 0;
  totalMs = 0;
  cpuSeconds = 0;
  joules = 0;
  dollars = 0;
  bytesIn = 0;
  bytesOut = 0;
  /** Highest of the looks. */
  queued = 0;
  inFlight = 0;
  /** Samples by the stage that they left at. */
  exits: number[] = [];
  readonly sizes = new Map<number, number>();
  readonly reasons = new Map<string, number>();
  readonly latency = new DurationHistogram();
  readonly queue = new DurationHistogram();

  size(size: number, batches = 1): void {
    const key = this.sizes.has(size) || this.sizes.size < MOST_SIZES ? size : Math.max(...this.sizes.keys());
    this.sizes.set(key, (this.sizes.get(key) ?? 0) + batches);
  }

  reason(code: string, requests = 1): void {
    const key = this.reasons.has(code) || this.reasons.size < MOST_REASONS ? code : 'OTHER';
    this.reasons.set(key, (this.reasons.get(key) ?? 0) + requests);
  }

  exit(stage: number, samples: number): void {
    if (!Number.isInteger(stage) || stage < 0 || stage >= MOST_STAGES) return;
    while (this.exits.length <= stage) this.exits.push(0);
    this.exits[stage]! += samples;
  }

  merge(other: Tally): void {
    for (const sum of SUMS) this[sum] += other[sum];
    this.queued = Math.max(this.queued, other.queued);
    this.inFlight = Math.max(this.inFlight, other.inFlight);
    for (const [stage, samples] of other.exits.entries()) this.exit(stage, samples);
    for (const [size, batches] of other.sizes) this.size(size, batches);
    for (const [code, requests] of other.reasons) this.reason(code, requests);
    this.latency.merge(other.latency);
    this.queue.merge(other.queue);
  }

  clear(): void {
    for (const sum of SUMS) this[sum] = 0;
    this.queued = 0;
    this.inFlight = 0;
    this.exits = [];
    this.sizes.clear();
    this.reasons.clear();
    this.latency.clear();
    this.queue.clear();
  }
}

const SUMS = [
  'requests',
  'ok',
  'refused',
  'failed',
  'samples',
  'cached',
  'retried',
  'batches',
  'batched',
  'computeMs',
  'queueMs',
  'totalMs',
  'cpuSeconds',
  'joules',
  'dollars',
  'bytesIn',
  'bytesOut',
] as const satisfies readonly (keyof Tally)[];

/** What can be told of money and energy at all. */
export interface Known {
  readonly joules: boolean;
  readonly dollars: boolean;
}

type Point = { readonly [Column in keyof ModelPoints]: ModelPoints[Column][number] };

/** The columns of a point of the series. */
export const POINT: { readonly [Column in keyof Point]: (tally: Tally, known: Known) => Point[Column] } = {
  requests: ({ requests }) => requests,
  ok: ({ ok }) => ok,
  refused: ({ refused }) => refused,
  failed: ({ failed }) => failed,
  samples: ({ samples }) => samples,
  cached: ({ cached }) => cached,
  p50: ({ latency }) => short(latency.quantile(0.5)),
  p90: ({ latency }) => short(latency.quantile(0.9)),
  p99: ({ latency }) => short(latency.quantile(0.99)),
  max: ({ latency }) => short(latency.max),
  queueP99: ({ queue }) => short(queue.quantile(0.99)),
  computeMean: ({ computeMs, batches }) => (batches === 0 ? null : short(computeMs / batches)),
  batches: ({ batches }) => batches,
  batchMean: ({ batched, batches }) => (batches === 0 ? null : short(batched / batches)),
  queued: ({ queued }) => queued,
  inFlight: ({ inFlight }) => inFlight,
  cpuSeconds: ({ cpuSeconds }) => short(cpuSeconds) ?? 0,
  joules: ({ joules }, known) => (known.joules ? short(joules) : null),
  dollars: ({ dollars }, known) => (known.dollars ? short(dollars) : null),
};

/** Five digits: the rest is noise, and the text of nine hundred points is sent often. */
export function short(value: number | null): number | null {
  return value === null ? null : Number(value.toPrecision(5));
}
