import { fail } from '../../base/index.ts';
import type { Pass, Selection } from '../../transform/index.ts';
import type { WeightBits } from '../quantize-aware/begin.ts';
import { quantizeAware } from '../quantize-aware/quantize-aware.ts';

export interface QuantizationAwareOptions extends Selection {
  /** static: weights and activations in 8 bits. weights: weights alone, in blocks. */
  readonly scheme: 'static' | 'weights';
  /** Bits of a weight; 7 with static only. */
  readonly bits: WeightBits;
  /** How ranges are set before they are learned; static only. */
  readonly method?: 'minmax' | 'percentile' | 'entropy' | 'mse';
  /** Time to train. */
  readonly seconds?: number;
  /** Instead of `seconds`. */
  readonly epochs?: number;
  readonly rate?: number;
  /** Share of the model's own answers in the loss, the rest is the labels'. */
  readonly alpha?: number;
  readonly threads?: number;
}

/** Quantization that the model learns to live with. */
export const quantizationAware: Pass<QuantizationAwareOptions> = {
  name: 'quantize-aware',
  summary:
    'quantization whose roundings are learned along with the weights (QAT), from the float model and labels',
  defaults: { scheme: 'static', bits: 8 },
  error: ({ bits }) => ({ kind: 'lossy', why: `weights have ${bits} bits, and others than before` }),
  async apply(model, options, context) {
    const { scheme, bits, method, seconds, epochs, rate, alpha, threads, ...selection } = options;
    const { training, calibration, seed, progress, signal } = context;
    if (training === undefined)
      throw fail('TRAINING_NEEDED', 'quantization-aware training has no samples to learn from');
    const result = await quantizeAware(model, training, {
      scheme,
      bits,
      calibration,
      static: { ...selection, ...(method && { method }) },
      weights: selection,
      seconds,
      epochs,
      alpha,
      rate,
      settings: threads === undefined ? undefined : { threads },
      seed,
      progress,
      signal,
    });
    return { model: result.model, modified: true, notes: result.notes, fusion: result.fusion };
  },
};
