import { Random } from '../../base/index.ts';
import type { Arrival } from './arrival.ts';
import { exponential } from './poisson.ts';

export interface Day {
  /** How long a day lasts. */
  readonly daySeconds: number;
  /** How far the rate goes above and below its mean, as a share of it: 0 to 1. */
  readonly swing: number;
}

/**
 * A Poisson process whose rate follows a day: lowest at its start, highest at its half, `rate` per second in the mean. By thinning
 * (Lewis and Shedler 1979).
 */
export function* diurnal(rate: number, { daySeconds, swing }: Day, seed: number): Generator<Arrival> {
  const random = new Random(seed);
  const most = rate * (1 + swing);
  for (let at = 0; ; ) {
    at += exponential(random, 1000 / most);
    const level = rate * (1 - swing * Math.cos((2 * Math.PI * at) / (daySeconds * 1000)));
    if (random.uniform() * most < level) yield { at };
  }
}
