import { fail } from '../../base/index.ts';
import type { Pass, Selection } from '../../transform/index.ts';
import { adaround } from '../quantize-aware/adaround.ts';
import type { WeightBits } from '../quantize-aware/begin.ts';

export interface AdaptiveRoundingOptions extends Selection {
  /** Bits of a weight. */
  readonly bits: WeightBits;
  /** How ranges of activations are set. */
  readonly method?: 'minmax' | 'percentile' | 'entropy' | 'mse';
  /** Time for all layers. */
  readonly seconds?: number;
  /** Steps a layer, instead of `seconds`. */
  readonly iterations?: number;
  readonly threads?: number;
}

/** Static quantization that rounds each weight to the side that suits the layer's answers. */
export const adaptiveRounding: Pass<AdaptiveRoundingOptions> = {
  name: 'adaround',
  summary:
    'static quantization in which each weight is rounded to the side that suits the answers (AdaRound)',
  defaults: { bits: 8 },
  error: ({ bits }) => ({ kind: 'lossy', why: `activations are rounded to 8 bits, weights to ${bits}` }),
  async apply(model, options, context) {
    const { bits, method, seconds, iterations, threads, ...selection } = options;
    const { calibration, seed, progress, signal } = context;
    const training = context.training ?? calibration;
    if (training === undefined)
      throw fail('CALIBRATION_NEEDED', 'adaptive rounding has no samples to look at layers on');
    const result = await adaround(model, training, {
      bits,
      calibration,
      static: { ...selection, ...(method && { method }) },
      seconds,
      iterations,
      threads,
      seed,
      progress,
      signal,
    });
    return { model: result.model, modified: true, notes: result.notes, fusion: result.fusion };
  },
};
