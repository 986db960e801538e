import type { MixLayer, Precision } from '../transform/index.ts';
import type { Choice } from './knapsack.ts';
import type { MixObjective } from './options.ts';
import type { LayerSensitivity } from './sensitivity.ts';
import type { LayerSpeed } from './speed.ts';

/** A choice of the knapsack with the precision it stands for. */
export interface LayerChoice extends Choice {
  readonly precision: Precision;
}

/** A layer with all that is known of it. */
export interface RatedLayer {
  readonly layer: MixLayer;
  /** fp32 first; only precisions that it can be had in. */
  readonly choices: readonly LayerChoice[];
  readonly sensitivity: readonly LayerSensitivity[];
  readonly speed: readonly LayerSpeed[];
}

/** Bytes of a weight: 4-bit blocks of 32 have a float32 scale each. */
const BYTES: Readonly<Record<Precision, number>> = { fp32: 4, fp16: 2, int8: 1, int4: 0.5 + 4 / 32 };

/** Joins what was measured of each layer. A precision that was not measured, or that a layer does not come out in, is no choice. */
export function rateLayers(
  layers: readonly MixLayer[],
  precisions: readonly Precision[],
  sensitivities: readonly LayerSensitivity[],
  speeds: readonly LayerSpeed[],
  minimize: MixObjective,
): RatedLayer[] {
  return layers.map((layer) => {
    const sensitivity = sensitivities.filter((one) => one.layer === layer.id);
    const speed = speeds.filter((one) => one.layer === layer.id);
    const choices: LayerChoice[] = [];
    for (const precision of precisions) {
      const time = speed.find((one) => one.precision === precision)?.microseconds;
      const harm = precision === 'fp32' ? 0 : sensitivity.find((one) => one.precision === precision)?.harm;
      if (time === undefined || harm === undefined || !Number.isFinite(harm)) continue;
      choices.push({ precision, harm, cost: minimize === 'size' ? layer.weights * BYTES[precision] : time });
    }
    return { layer, choices, sensitivity, speed };
  });
}
