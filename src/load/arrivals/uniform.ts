import type { Arrival } from './arrival.ts';

/** Equal gaps, as a sensor sends. `rate` per second. */
export function* uniform(rate: number): Generator<Arrival> {
  for (let i = 0; ; i++) yield { at: (i * 1000) / rate };
}
