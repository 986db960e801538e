import { SILENT } from '../base/index.ts';
import type { Model } from '../graph/index.ts';
import { STATIC_DEFAULTS, staticQuantization } from '../transform/index.ts';
import { type ExitParts, spread } from './divide.ts';
import type { ExitsOptions } from './options.ts';

/** Training samples that ranges of activations are set by. */
const CALIBRATION = 512;

/** A cleaned-up model in 8 bits (static, QDQ), with ranges from the training part. Throws NOTHING_TO_QUANTIZE. */
export async function inInt8(
  model: Model,
  { training }: ExitParts,
  { int8, progress = SILENT, signal, seed = 0 }: ExitsOptions,
): Promise<Model> {
  const calibration = spread(training, CALIBRATION);
  const context = { progress, signal, seed, calibration };
  const given = typeof int8 === 'object' ? int8 : {};
  return (await staticQuantization.apply(model, { ...STATIC_DEFAULTS, ...given }, context)).model;
}
