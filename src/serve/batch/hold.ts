import { doneAfter } from './form.ts';
import type { Group } from './work.ts';

export type Preference = 'latency' | 'compute';

/** A batch that could start now, and what it may wait for. Times in ms. */
export interface Held {
  readonly prefer: Preference;
  readonly group: Group;
  readonly samples: number;
  readonly requests: number;
  /** The earliest deadline in it. */
  readonly until: number;
  readonly now: number;
  /** Since when it could have started. */
  readonly since: number;
  /** Requests a ms that arrive, and the samples of one. */
  readonly arrivals: number;
  readonly size: number;
  /** In how many ms another lane is free; 0: one is idle. Infinity: there is none. */
  readonly nextLane: number;
}

/**
 * Until when a batch waits for the next arrival; `now`: not at all.
 *
 * latency: if the next request comes in x ms, running now gives the n requests t(n) each, and the newcomer waits until a lane is free, in
 * f = min(t(n), next lane) - x, and takes t(1); waiting gives all n + 1 the time x + t(n + 1), of which the newcomer has not waited x. The sum of
 * delays is smaller with waiting if n (x + t(n + 1) - t(n)) + t(n + 1) < max(0, f - x) + t(1); for one lane that is
 * (n + 1) (x + t(n + 1) - t(n)) < t(1). Solved for x it is the longest wait that can pay; it is begun only if the next arrival is
 * expected within it, and not stretched when that does not come.
 *
 * compute: as long as a batch of one request more would still be in time.
 */
export function holdUntil(held: Held): number {
  const { group, samples, requests: n, until, now } = held;
  const size = Math.max(1, Math.round(held.size));
  const grown = samples + size;
  const latest = until - doneAfter(group, grown);
  if (latest <= now || held.arrivals <= 0) return now;
  if (held.prefer === 'compute') return latest;
  const { curve } = group;
  const more = curve.mean(grown) - curve.mean(samples);
  const lane = Math.min(curve.mean(samples), held.nextLane);
  const pays = Math.min(lane, (lane + curve.mean(size) - curve.mean(grown) - n * more) / (n + 1));
  return 1 / held.arrivals < pays ? Math.max(now, Math.min(latest, held.since + pays)) : now;
}
