import { Random } from '../../base/index.ts';
import type { Arrival } from './arrival.ts';
import { exponential } from './poisson.ts';

export interface Burstiness {
  /** Times the rate within a burst is that between bursts; Infinity: silence between bursts. */
  readonly burst: number;
  /** Mean seconds of a burst, and between two. */
  readonly onSeconds: number;
  readonly offSeconds: number;
}

/**
 * A Poisson process whose rate switches between two levels that last exponential times (MMPP with two states); its mean over long
 * times is `rate` per second. It starts in the state that a moment drawn at random would find.
 */
export function* bursty(
  rate: number,
  { burst, onSeconds, offSeconds }: Burstiness,
  seed: number,
): Generator<Arrival> {
  const random = new Random(seed);
  const share = onSeconds / (onSeconds + offSeconds);
  const low = Number.isFinite(burst) ? rate / (share * burst + 1 - share) : 0;
  const high = Number.isFinite(burst) ? low * burst : rate / share;
  let on = random.uniform() < share;
  let end = exponential(random, (on ? onSeconds : offSeconds) * 1000);
  for (let at = 0; ; ) {
    const level = on ? high : low;
    const next = level === 0 ? Number.POSITIVE_INFINITY : at + exponential(random, 1000 / level);
    if (next > end) {
      // The process has no memory: what is drawn past the end is drawn anew at the other rate.
      at = end;
      on = !on;
      end += exponential(random, (on ? onSeconds : offSeconds) * 1000);
      continue;
    }
    at = next;
    yield { at };
  }
}
