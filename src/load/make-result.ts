import { VERSION } from '../base/index.ts';
import { earlyStoppingEstimate } from '../measure/index.ts';
import { describeMachine } from '../run/index.ts';
import type { Settled } from './bench-options.ts';
import { cdfOf, finite, latencyFigures, quantileOf } from './latency-figures.ts';
import { type Measured, measuredOf } from './measured.ts';
import type { GeneratorCpu, Opened } from './messages.ts';
import type { Ran } from './plan.ts';
import type { BoundCheck, LoadPoint, LoadResult } from './result.ts';
import { brokenRules, checkBound, RULES } from './rules.ts';
import type { Pool } from './samples.ts';
import { timelineOf } from './timeline.ts';
import { warningsOf } from './warnings.ts';

export interface ResultFacts {
  readonly target: string;
  readonly opened: Opened;
  readonly pool: Pool;
  readonly options: Settled;
  readonly samplesPerQuery: number;
  readonly arrivals?: string;
  readonly poisson: boolean;
  readonly notes: readonly string[];
}

/** What one run says, by its scenario. */
export function makeResult(ran: Ran, cpu: GeneratorCpu, facts: ResultFacts): LoadResult {
  const { opened, pool, options } = facts;
  const { scenario, p99, seed } = options;
  const measured = measuredOf(ran);
  const offline = scenario === 'offline';
  const open = scenario === 'server';
  const rules = RULES[scenario];
  const samples = sum(measured.size, () => true) * pool.samplesPerEntry;
  const answered = sum(measured.size, (i) => measured.outcome[i] === 'ok') * pool.samplesPerEntry;
  const bound =
    p99 === undefined || offline ? undefined : checkBound(measured, p99, rules.percentile ?? 0.99);
  const throughput = { value: measured.seconds > 0 ? answered / measured.seconds : 0 };
  const offered = open && measured.seconds > 0 ? measured.queries / measured.seconds : undefined;
  const mode = options.strict ? 'strict' : 'short';
  const broken = brokenRules({
    scenario,
    mode,
    partial: ran.partial,
    measured,
    samples,
    poolSize: pool.feeds.length,
    data: options.data !== undefined,
    bound,
    poisson: facts.poisson,
    samplesPerQuery: facts.samplesPerQuery,
  });
  const late = measured.lateness.slice().sort();
  const lateness = open && late.length > 0 ? lateFigures(late) : undefined;
  const latency = offline ? undefined : latencyFigures(measured.latency, seed);
  const lost = measured.queries - measured.outcomes.ok > 0;
  const { id, cpu: name, availableCores, versions } = describeMachine();
  return {
    target: facts.target,
    runtime: opened.runtime,
    data: pool.about,
    scenario,
    mode,
    rules: { kept: broken.length === 0, broken },
    partial: ran.partial,
    seed,
    arrivals: facts.arrivals,
    warmUp: { seconds: ran.warmUpMs / 1000, queries: measured.warmUpQueries },
    seconds: measured.seconds,
    queries: measured.queries,
    samples,
    samplesPerQuery: facts.samplesPerQuery,
    offered,
    metric: metricOf(measured, bound, throughput.value, offered, options),
    outcomes: measured.outcomes,
    said: ran.said,
    latency,
    answeredLatency:
      lost && !offline
        ? latencyFigures(
            measured.latency.filter((_, i) => measured.outcome[i] === 'ok'),
            seed,
          )
        : undefined,
    bound,
    throughput,
    goodput: bound === undefined ? undefined : goodputOf(measured, bound.ms) * pool.samplesPerEntry,
    timeline: timelineOf(measured, pool.samplesPerEntry),
    cdf: offline ? [] : cdfOf(measured.latency),
    lateness,
    generator: cpu,
    warnings: warningsOf({
      measured,
      cpu,
      lateness,
      latency,
      inProcess: opened.concurrency !== undefined,
      open,
    }),
    notes: facts.notes,
    machine: [
      ['machine', id],
      ['processor', name],
      ['cores', String(availableCores)],
      ['node', versions.node],
    ],
    at: new Date().toISOString(),
    version: VERSION,
  };
}

/** A run as a point of a load curve. */
export function pointOf(
  ran: Ran,
  facts: { rate: number; p99: number | undefined; purpose: LoadPoint['purpose']; samplesPerEntry: number },
): LoadPoint {
  const { rate, p99, purpose, samplesPerEntry } = facts;
  const measured = measuredOf(ran);
  const { queries, latency, outcomes, seconds } = measured;
  const sorted = latency.slice().sort();
  const answered = sum(measured.size, (i) => measured.outcome[i] === 'ok') * samplesPerEntry;
  const bound = p99 === undefined ? undefined : checkBound(measured, p99, 0.99);
  const share = bound === undefined ? 0 : bound.over / Math.max(1, queries);
  const met = purpose === 'probe' ? share <= 0.01 && queries > 0 : bound?.met;
  // So few queries, and none too many above: nothing is shown either way.
  const open = bound?.allowed === undefined && share <= 0.01 && purpose === 'asked for';
  return {
    rate,
    seconds,
    queries,
    throughput: seconds > 0 ? answered / seconds : 0,
    goodput: goodputOf(measured, p99 ?? Number.POSITIVE_INFINITY) * samplesPerEntry,
    p50: finite(quantileOf(sorted, 0.5)),
    p99: finite(quantileOf(sorted, 0.99)),
    shed: outcomes.shed,
    failed: queries - outcomes.ok - outcomes.shed,
    over: bound?.over ?? 0,
    met: bound === undefined || open ? undefined : met === true && !ran.hopeless && !ran.partial,
    hopeless: ran.hopeless,
    purpose,
  };
}

function metricOf(
  measured: Measured,
  bound: BoundCheck | undefined,
  throughput: number,
  offered: number | undefined,
  { scenario, p99 }: Settled,
): LoadResult['metric'] {
  const { metric: name, percentile } = RULES[scenario];
  if (scenario === 'offline') {
    return {
      name,
      value: throughput,
      unit: '1/s',
      how: 'all samples due at once, over the time of the last answer',
    };
  }
  if (scenario === 'server') {
    const how =
      bound === undefined
        ? 'queries per second that were scheduled; without a bound (--p99) nothing was to be kept'
        : `queries per second that were scheduled, with 99 % to be answered within ${p99} ms`;
    return { name, value: offered, unit: '1/s', how };
  }
  const sorted = measured.latency.slice().sort();
  const p = percentile ?? 0.9;
  const estimate = earlyStoppingEstimate(sorted, p);
  const value = estimate ?? quantileOf(sorted, p);
  const how =
    estimate === undefined
      ? 'plain percentile: too few queries for early stopping'
      : 'early-stopping estimate, 99 % sure';
  return { name, value: finite(value), unit: 'ms', how };
}

function goodputOf({ latency, size, seconds }: Measured, boundMs: number): number {
  const good = sum(size, (i) => latency[i]! <= boundMs && Number.isFinite(latency[i]!));
  return seconds > 0 ? good / seconds : 0;
}

function sum(values: Uint32Array, where: (i: number) => boolean): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) if (where(i)) total += values[i]!;
  return total;
}

function lateFigures(sorted: Float64Array): { p50: number; p99: number; max: number } {
  return { p50: quantileOf(sorted, 0.5), p99: quantileOf(sorted, 0.99), max: sorted[sorted.length - 1]! };
}
