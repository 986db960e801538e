import { earlyStoppingAllowed, earlyStoppingQueries } from '../measure/index.ts';
import type { Measured } from './measured.ts';
import type { BoundCheck, Scenario } from './result.ts';

/** What MLPerf's rules ask of a scenario (mlcommons/inference_policies, inference_rules.adoc). */
export interface ScenarioRules {
  readonly samplesPerQuery: number;
  readonly seconds: number;
  /** Queries with which early stopping can say anything, or samples of offline. */
  readonly minQueries: number;
  /** The percentile that is reported, or that must lie within the bound. */
  readonly percentile: number | undefined;
  /** What the figure is called. */
  readonly metric: string;
}

export const RULES: Readonly<Record<Scenario, ScenarioRules>> = {
  'single-stream': {
    samplesPerQuery: 1,
    seconds: 600,
    minQueries: 64,
    percentile: 0.9,
    metric: '90th percentile latency',
  },
  'multi-stream': {
    samplesPerQuery: 8,
    seconds: 600,
    minQueries: 662,
    percentile: 0.99,
    metric: '99th percentile latency of a query of 8',
  },
  server: { samplesPerQuery: 1, seconds: 600, minQueries: 0, percentile: 0.99, metric: 'queries per second' },
  offline: {
    samplesPerQuery: 1,
    seconds: 600,
    minQueries: 24_576,
    percentile: undefined,
    metric: 'samples per second',
  },
};

/** Whether so many queries show, by early stopping, that their share `percentile` lies within a bound. */
export function checkBound(
  { latency }: Pick<Measured, 'latency'>,
  ms: number,
  percentile: number,
): BoundCheck {
  let over = 0;
  for (const one of latency) if (!(one <= ms)) over++;
  const allowed = earlyStoppingAllowed(latency.length, percentile);
  return {
    ms,
    percentile,
    over,
    allowed,
    needed: earlyStoppingQueries(percentile, over),
    met: allowed !== undefined && over <= allowed,
  };
}

export interface RulesFacts {
  readonly scenario: Scenario;
  readonly mode: 'short' | 'strict';
  readonly partial: boolean;
  readonly measured: Measured;
  readonly samples: number;
  /** Entries of the pool, for offline. */
  readonly poolSize: number;
  /** Whether real data was sent. */
  readonly data: boolean;
  readonly bound: BoundCheck | undefined;
  /** Server: whether arrivals are Poisson. */
  readonly poisson: boolean;
  readonly samplesPerQuery: number;
}

/** Which rules a run breaks, in words; none: it keeps them. */
export function brokenRules(facts: RulesFacts): string[] {
  const { scenario, mode, partial, measured, samples, poolSize, bound } = facts;
  const rules = RULES[scenario];
  const broken: string[] = [];
  if (mode === 'short') broken.push('short mode: not MLPerf-valid');
  if (partial) broken.push('it was stopped before its end');
  if (measured.seconds < rules.seconds) {
    broken.push(`${measured.seconds.toFixed(1)} s were measured, and ${rules.seconds} s are asked for`);
  }
  const lost = measured.queries - measured.outcomes.ok;
  if (scenario !== 'server' && lost > 0) broken.push(`${lost} queries were not answered`);
  if (scenario === 'offline') {
    const asked = Math.min(rules.minQueries, facts.data ? poolSize : rules.minQueries);
    if (samples < asked) broken.push(`${samples} samples were sent, and ${asked} are asked for`);
  } else if (measured.queries < rules.minQueries) {
    broken.push(`${measured.queries} queries are too few for early stopping: ${rules.minQueries} are needed`);
  }
  if (!facts.data) broken.push('the samples are random values, not data');
  if (facts.samplesPerQuery !== rules.samplesPerQuery && scenario !== 'offline') {
    broken.push(`a query had ${facts.samplesPerQuery} samples, and ${rules.samplesPerQuery} are asked for`);
  }
  if (scenario !== 'server') return broken;
  if (!facts.poisson) broken.push('the arrivals are not Poisson');
  if (bound === undefined) broken.push('there is no latency bound (--p99)');
  else if (!bound.met) broken.push(boundInWords(bound));
  return broken;
}

/** 'at most 3 of 1001 queries may be above 20 ms, and 17 were'. */
export function boundInWords(bound: BoundCheck): string {
  const { ms, over, allowed, needed } = bound;
  const verb = over === 1 ? 'was' : 'were';
  if (allowed === undefined && over === 0)
    return `too few queries to show that the bound of ${ms} ms is kept: ${needed} are needed`;
  if (allowed === undefined)
    return `${over} ${verb} above ${ms} ms; with so many, ${needed} queries are needed to show that it is kept`;
  return bound.met
    ? `${over} ${verb} above ${ms} ms, and ${allowed} may be`
    : `${over} ${verb} above ${ms} ms, and only ${allowed} may be`;
}
