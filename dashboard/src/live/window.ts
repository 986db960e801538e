import type { ModelSeries } from '../../../src/serve/observe/series.ts';
import type { Column, ModelView, Snapshot, Values } from './snapshot.ts';

/** Where the last `seconds` begin among the points. */
export function startOf({ times }: Snapshot, seconds: number): number {
  const last = times.at(-1);
  if (last === undefined) return 0;
  const at = times.findIndex((time) => time > last - seconds);
  return at < 0 ? times.length : at;
}

export function sum(values: Values, from = 0): number {
  let total = 0;
  for (let i = from; i < values.length; i++) total += values[i] ?? 0;
  return total;
}

/** The sum, or null where no point of the window knows it. */
export function knownSum(values: Values, from: number): number | null {
  let known = false;
  for (let i = from; i < values.length && !known; i++) known = values[i] !== null;
  return known ? sum(values, from) : null;
}

/** The last value that is one. */
export function latest(values: Values, from = 0): number | null {
  for (let i = values.length - 1; i >= from; i--) if (values[i] != null) return values[i]!;
  return null;
}

/** What a model did in a window. */
export interface Figures {
  /** Seconds that the window really holds. */
  readonly seconds: number;
  readonly requests: number;
  readonly ok: number;
  readonly refused: number;
  readonly failed: number;
  readonly cached: number;
  readonly samples: number;
  readonly batches: number;
  readonly okPerSecond: number;
  readonly samplesPerSecond: number;
  /** Share of the requests that were not answered. */
  readonly unanswered: number;
  /** Of all cores: 0 to 1. */
  readonly cpuShare: number;
  /** J and USD a million samples. */
  readonly joulesPerMillion: number | null;
  readonly dollarsPerMillion: number | null;
}

export function figuresOf(model: ModelView, snapshot: Snapshot, seconds: number): Figures {
  const from = startOf(snapshot, seconds);
  const of = (column: Column) => sum(model.points[column], from);
  // A server that has just started has not been idle before.
  const up = snapshot.server.now - snapshot.server.startedAt;
  const held = Math.max(1, Math.min(up, snapshot.times.length - from));
  const [requests, ok, samples] = [of('requests'), of('ok'), of('samples')];
  const perMillion = (column: Column) => {
    const total = knownSum(model.points[column], from);
    return total === null || samples === 0 ? null : (total / samples) * 1e6;
  };
  return {
    seconds: held,
    requests,
    ok,
    refused: of('refused'),
    failed: of('failed'),
    cached: of('cached'),
    samples,
    batches: of('batches'),
    okPerSecond: ok / held,
    samplesPerSecond: samples / held,
    unanswered: requests === 0 ? 0 : 1 - ok / requests,
    cpuShare: of('cpuSeconds') / held / Math.max(1, snapshot.server.cores),
    joulesPerMillion: perMillion('joules'),
    dollarsPerMillion: perMillion('dollars'),
  };
}

/** A percentile (0 to 1) of latencies counted by steps: the upper edge of the step that holds it. */
export function percentile(latencies: ModelSeries['latencies'], share: number): number | null {
  const total = latencies.reduce((count, row) => count + row.requests, 0);
  let seen = 0;
  for (const { upTo, requests } of latencies) {
    seen += requests;
    if (seen >= share * total && total > 0) return upTo;
  }
  return null;
}
