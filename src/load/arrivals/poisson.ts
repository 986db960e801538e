import { Random } from '../../base/index.ts';
import type { Arrival } from './arrival.ts';

/** A draw of an exponential distribution of this mean. */
export function exponential(random: Random, mean: number): number {
  return -Math.log(1 - random.uniform()) * mean;
}

/** Independent exponential gaps: what many clients that know nothing of each other send. `rate` per second. */
export function* poisson(rate: number, seed: number): Generator<Arrival> {
  const random = new Random(seed);
  for (let at = 0; ; ) {
    at += exponential(random, 1000 / rate);
    yield { at };
  }
}
