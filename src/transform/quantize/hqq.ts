import { fail } from '../../base/index.ts';
import type { Pass } from '../pass.ts';
import { WEIGHT_ONLY_DEFAULTS, type WeightOnlyOptions, weightOnlyQuantization } from './weight-only.ts';

/** Weights in 4 bits whose scales and zero points are found by half-quadratic splitting; needs no data. */
export const hqqQuantization: Pass<WeightOnlyOptions> = {
  ...weightOnlyQuantization,
  name: 'quantize-hqq',
  summary:
    'weights in 4 bits by blocks, scales and zero points by half-quadratic splitting (HQQ); needs no data',
  defaults: { ...WEIGHT_ONLY_DEFAULTS, symmetric: false, fit: 'hqq' },
  async apply(model, options, context) {
    if (options.bits !== 4) throw fail('USAGE_BAD_OPTION', 'half-quadratic splitting is for 4 bits');
    return weightOnlyQuantization.apply(model, options, context);
  },
};
