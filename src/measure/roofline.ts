import { type Limits, limitFor } from './limits.ts';
import type { Measurement } from './record.ts';
import { recorder, type Settings } from './recorder.ts';
import { percent } from './windows.ts';

/** The work of a run. */
export interface Workload {
  /** Multiply-accumulates in float. */
  readonly macs: number;
  /** Multiply-accumulates in int8. Default 0. */
  readonly integerMacs?: number;
  /** Bytes that must move at least: weights once, activations in and out. */
  readonly bytes: number;
}

export interface Distance {
  /** What would bound a perfect run. */
  readonly bound: 'arithmetic' | 'memory';
  /** Seconds of a run at the limits. */
  readonly attainableSeconds: number;
  /** attainable / achieved: 1 is perfect. */
  readonly share: number;
  readonly records: readonly Measurement[];
}

/**
 * How far a run lies from what the machine could do (the roofline model of Williams, Waterman and Patterson 2009): the larger of
 * its arithmetic at peak and its bytes at full bandwidth is the least time that it needs. A share above 1 means that the bytes
 * stay in caches, which are faster than the bandwidth measured.
 */
export function distanceToLimits(
  work: Workload,
  seconds: number,
  threads: number,
  limits: Limits,
  settings: Settings = {},
): Distance {
  const { macs, integerMacs = 0, bytes } = work;
  const arithmetic =
    (2 * macs) / limitFor(limits, 'limit.float32', threads) +
    (2 * integerMacs) / limitFor(limits, 'limit.int8', threads);
  const moving = bytes / limitFor(limits, 'limit.bandwidth', threads);
  const bound = arithmetic >= moving ? 'arithmetic' : 'memory';
  const attainableSeconds = Math.max(arithmetic, moving);
  const share = attainableSeconds / seconds;
  const record = recorder(limits.machine, { ...settings, bound });
  const about = `${macs} float and ${integerMacs} int8 multiply-accumulates, ${bytes} bytes (weights once, activations in and out of each layer), at the peaks measured on this machine`;
  return {
    bound,
    attainableSeconds,
    share,
    records: [
      record({
        what: 'limit.attainable',
        value: attainableSeconds * 1000,
        unit: 'ms',
        how: 'modelled',
        method: `Roofline: ${about}; bound by ${bound}.`,
        n: 1,
      }),
      record({
        what: 'limit.share',
        value: share,
        unit: '1',
        how: 'modelled',
        method:
          share > 1
            ? `Least time by the roofline over the time taken: above 1, as the bytes stay in caches.`
            : `Least time by the roofline over the time taken: the run reaches ${percent(share)} of what the machine could do.`,
        n: 1,
      }),
    ],
  };
}
