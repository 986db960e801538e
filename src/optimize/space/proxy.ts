import { costOf, type Model } from '../../graph/index.ts';
import type { Goal } from '../goal.ts';
import type { Guess } from '../searcher/beliefs.ts';
import type { Point } from './dimension.ts';
import type { SpaceFacts } from './model-space.ts';
import { weightError } from './weight-error.ts';

/** Rough figures of a core, for ranking alone: multiply-accumulates and bytes a second, seconds of a call. */
const CORE = { macs: 2e10, bytes: 8e9, call: 2e-5 } as const;
/** How much faster products become, and how many bytes a weight takes, by precision. */
const PRECISIONS: Readonly<Record<string, { readonly faster: number; readonly bytes: number }>> = {
  float: { faster: 1, bytes: 4 },
  static: { faster: 2.5, bytes: 1 },
  aware: { faster: 2.5, bytes: 1 },
  adaround: { faster: 2.5, bytes: 1 },
  dynamic: { faster: 1.7, bytes: 1 },
  mixed: { faster: 2.2, bytes: 1.5 },
  half: { faster: 0.8, bytes: 2 },
  weights8: { faster: 0.9, bytes: 1.1 },
  weights4: { faster: 0.9, bytes: 0.6 },
};
/** Gain of the second thread of a session over the first: less than one of its own. */
const THREAD = 0.7;
/** Noise over signal that a float model has against itself. */
const ROUNDING = 1e-6;

/**
 * What arithmetic says of a point before anything runs: a roofline for its cost, the error of rounded weights and the share of
 * the model that is left for its loss. Only the order matters: the search learns how far it is to be trusted.
 */
export function proxyOf(model: Model, facts: SpaceFacts, goal: Goal): (point: Point) => Guess {
  const { macs, weightBytes } = costOf(model).total;
  const errors = { 8: weightError(model, 8), 7: weightError(model, 7), 4: weightError(model, 4) };
  return (point) => {
    const { family = 'whole', share = 0.5, precision = 'float', bits = 8, kept = 0 } = point;
    const left = family === 'whole' ? 1 : Number(share);
    const { faster, bytes } = PRECISIONS[String(precision)] ?? PRECISIONS.float!;
    const quantized = 1 - Number(kept) / Math.max(1, facts.layers);
    const size = (left * weightBytes * (quantized * bytes + (1 - quantized) * 4)) / 4;
    const { batch = 1, instances = 1, threads = 1 } = point;
    const arithmetic = (left * macs * (quantized / faster + 1 - quantized)) / CORE.macs;
    const workers = Number(instances) * Number(threads) ** THREAD;
    const seconds =
      Math.max(arithmetic, size / CORE.bytes / Number(batch)) / workers + CORE.call / Number(batch);
    const rounded =
      precision === 'float' || precision === 'half'
        ? 0
        : errors[precision === 'weights4' ? 4 : bits === 7 ? 7 : 8];
    const drop = Math.log10(rounded * quantized + ROUNDING) + 2 * Math.log2(1 / left);
    return { objective: goal.minimize === 'size' ? size + 1 : seconds, held: { drop } };
  };
}
