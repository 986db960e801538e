import { fail } from '../../base/index.ts';
import type { Pass } from '../../transform/index.ts';
import type { DistillOptions } from '../distill.ts';
import { prune } from '../prune/prune.ts';

export interface PruningOptions {
  /** Share of the MACs that goes. */
  readonly ratio: number;
  readonly importance?: string;
  readonly roundTo?: number;
  readonly rounds?: number;
  /** Time to train. */
  readonly seconds?: number;
  /** Instead of `seconds`. */
  readonly epochs?: number;
  readonly rate?: number;
  readonly alpha?: number;
}

/** Channels that matter least are cut; what is left is refitted, and learns from the model as it was. */
export const tunedPruning: Pass<PruningOptions> = {
  name: 'prune-tune',
  summary: 'channels that matter least are cut, what is left is refitted and learns from the model as it was',
  defaults: { ratio: 0.5, roundTo: 8, rounds: 1 },
  error: () => ({ kind: 'lossy', why: 'channels are missing' }),
  async apply(model, { ratio, importance, roundTo = 1, rounds, ...given }, context) {
    const { training, seed, progress, signal } = context;
    if (training === undefined)
      throw fail('TRAINING_NEEDED', 'what is left of a pruned model has no samples to learn from');
    const tune: DistillOptions = given;
    const result = await prune(model, training, {
      ratio,
      importance,
      limits: { roundTo },
      rounds,
      tune,
      seed,
      progress,
      signal,
    });
    const why = `${result.macs} of ${result.macsBefore} MACs are left; refitted, and taught by the model as it was`;
    return {
      model: result.model,
      modified: true,
      notes: [{ node: 'the whole model', op: '', action: 'changed', why }],
    };
  },
};
