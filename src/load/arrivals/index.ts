import { fail } from '../../base/index.ts';
import type { Arrival } from './arrival.ts';
import { type Burstiness, bursty } from './bursty.ts';
import { type Day, diurnal } from './diurnal.ts';
import { poisson } from './poisson.ts';
import { uniform } from './uniform.ts';

export type { Arrival } from './arrival.ts';

/** When requests arrive, as plain data; all by a seed. `rate` is the mean, requests per second. */
export type ArrivalSpec =
  | { readonly kind: 'poisson' | 'uniform'; readonly rate: number }
  | ({ readonly kind: 'bursty'; readonly rate: number } & Burstiness)
  | ({ readonly kind: 'diurnal'; readonly rate: number } & Day)
  | ({ readonly kind: 'trace' } & Trace);

/** Arrivals that were recorded. */
export interface Trace {
  /** Where they come from, for people. */
  readonly name: string;
  /** ms since the start, ascending. */
  readonly times: Float64Array;
  readonly sizes?: Uint32Array;
  readonly samples?: Uint32Array;
  /** Requests per second to which the times are stretched or pressed. Default: as recorded. */
  readonly rate?: number;
}

/** The names, with what they take: for options and docs. */
export const ARRIVALS = ['poisson', 'uniform', 'bursty', 'diurnal', 'trace'] as const;

/** Throws USAGE_BAD_OPTION where a number makes no sense. */
export function arrivalsOf(spec: ArrivalSpec, seed: number): Iterable<Arrival> {
  const positive = (name: string, value: number | undefined) => {
    if (value !== undefined && !(value > 0))
      throw fail('USAGE_BAD_OPTION', `${name} must be above 0, not ${value}`);
  };
  positive('the rate', spec.rate);
  switch (spec.kind) {
    case 'poisson':
      return poisson(spec.rate, seed);
    case 'uniform':
      return uniform(spec.rate);
    case 'bursty':
      for (const name of ['burst', 'onSeconds', 'offSeconds'] as const) positive(name, spec[name]);
      return bursty(spec.rate, spec, seed);
    case 'diurnal':
      positive('daySeconds', spec.daySeconds);
      if (!(spec.swing >= 0 && spec.swing <= 1)) {
        throw fail('USAGE_BAD_OPTION', `swing must be from 0 to 1, not ${spec.swing}`);
      }
      return diurnal(spec.rate, spec, seed);
    case 'trace':
      return replay(spec);
  }
}

function* replay(trace: Trace): Generator<Arrival> {
  const stretch = trace.rate === undefined ? 1 : (meanRate(trace) ?? trace.rate) / trace.rate;
  for (let i = 0; i < trace.times.length; i++) {
    yield { at: trace.times[i]! * stretch, size: trace.sizes?.[i], sample: trace.samples?.[i] };
  }
}

/** Requests per second of a trace as recorded; undefined below two. */
export function meanRate({ times }: Trace): number | undefined {
  const span = (times.at(-1) ?? 0) - (times[0] ?? 0);
  return span > 0 ? ((times.length - 1) * 1000) / span : undefined;
}

/** The same arrivals at another mean rate. */
export function atRate(spec: ArrivalSpec, rate: number): ArrivalSpec {
  return { ...spec, rate };
}

/** In words: 'Poisson, 200/s'. */
export function describeArrivals(spec: ArrivalSpec): string {
  const at = (rate: number | undefined) => (rate === undefined ? '' : `, ${Number(rate.toPrecision(4))}/s`);
  switch (spec.kind) {
    case 'poisson':
      return `Poisson${at(spec.rate)}`;
    case 'uniform':
      return `equal gaps${at(spec.rate)}`;
    case 'bursty':
      return `bursts${at(spec.rate)} in the mean, ${spec.burst} times the rate for ${spec.onSeconds} s, ${spec.offSeconds} s between (both exponential)`;
    case 'diurnal':
      return `a day of ${spec.daySeconds} s${at(spec.rate)} in the mean, ±${Math.round(spec.swing * 100)} %`;
    case 'trace':
      return `replay of ${spec.name}, ${spec.times.length} arrivals${at(spec.rate ?? meanRate(spec))}`;
  }
}
