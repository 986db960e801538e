import { fail, SILENT } from '../../base/index.ts';
import { type Dataset, subset } from '../../data/index.ts';
import { cloneModel, type Model, nameNodes } from '../../graph/index.ts';
import {
  cleanUp,
  freeBatch,
  type Learnable,
  learnableBlocks,
  learnableQdq,
  type PassContext,
  type PassResult,
  runPasses,
  STATIC_DEFAULTS,
  type StaticOptions,
  staticQuantization,
  step,
  upgradeOpset,
  WEIGHT_ONLY_DEFAULTS,
  type WeightNumbers,
  type WeightOnlyOptions,
  weightOnlyQuantization,
} from '../../transform/index.ts';
import { TRAINING_OPSET } from '../composer.ts';
import { learnedWeights } from '../parameters/trainable.ts';

export type WeightBits = 4 | 7 | 8;

/** How a model is quantized before its roundings are learned. */
export interface QuantizedStart {
  /**
   * static: weights and activations (8 bits), from calibration. weights: weights alone, in blocks (MatMulNBits).
   * Default static.
   */
  readonly scheme?: 'static' | 'weights';
  /** Bits of a weight. 7 is for x64 without VNNI, whose 8-bit products saturate; static only. Default 8. */
  readonly bits?: WeightBits;
  /** More of static quantization. In 4 bits the scales are fitted for the least squared error unless told otherwise. */
  readonly static?: Partial<StaticOptions>;
  /** More of weight-only quantization; its blocks have no zero points. */
  readonly weights?: Partial<WeightOnlyOptions>;
}

/** A model quantized the usual way. */
export interface Start {
  /** The float model: cleaned, its batch free, every node named. */
  readonly float: Model;
  /** What post-training quantization makes of it. */
  readonly quantized: PassResult;
  readonly numbers: WeightNumbers;
  /**
   * Opens it, or what was learned of it, to learning: all of it, or (`rounded`) what is not the integers of weights.
   */
  open(quantized: Model, rounded: boolean): Promise<Learnable>;
}

/** Samples that ranges are set by where nobody gave any. */
const CALIBRATION = 512;

/** Quantizes a model after training, and opens the result to learning. Throws USAGE_BAD_OPTION, and what the quantizing passes throw. */
export async function quantizedStart(
  model: Model,
  data: Dataset,
  options: QuantizedStart,
  context: Partial<PassContext>,
): Promise<Start> {
  const { scheme = 'static', bits: wanted = 8 } = options;
  const offered = scheme === 'weights' ? [4, 8] : [4, 7, 8];
  if (!offered.includes(wanted)) {
    throw fail('USAGE_BAD_OPTION', `bits of ${scheme} may be ${offered.join(', ')}, not ${wanted}`);
  }
  const bits: 4 | 8 = wanted === 4 ? 4 : 8;
  const numbers = { bits, reduce: wanted === 7 || options.static?.reduceRange === true };
  const calibration = context.calibration ?? spread(data, CALIBRATION);
  const full: PassContext = { progress: SILENT, seed: 0, ...context, calibration };
  // Normalizations are part of the layers before them by then, as they will be where the model runs.
  const clean = await runPasses(model, [step(cleanUp), step(freeBatch)], full);
  const float = cloneModel(clean.model);
  nameNodes(float.graph);
  const raised = async (of: Model) =>
    (await runPasses(of, [step(upgradeOpset, { to: TRAINING_OPSET })], full)).model;
  if (scheme === 'weights') {
    const chosen = { ...WEIGHT_ONLY_DEFAULTS, bits, ...options.weights, symmetric: true, storage: false };
    const quantized = await weightOnlyQuantization.apply(float, chosen, full);
    return {
      float,
      quantized,
      numbers,
      open: async (of, rounded) =>
        learnableBlocks(await raised(of), float, { rounded, learned: learnedWeights }),
    };
  }
  const fit = bits === 4 ? 'mse' : 'minmax';
  const chosen: StaticOptions = {
    ...STATIC_DEFAULTS,
    weightFit: fit,
    ...options.static,
    weightBits: bits,
    reduceRange: numbers.reduce,
  };
  const quantized = await staticQuantization.apply(float, chosen, full);
  return {
    float,
    quantized,
    numbers,
    open: async (of, rounded) =>
      learnableQdq(await raised(of), float, { ...numbers, rounded, learned: learnedWeights }),
  };
}

/** Samples spread evenly over the data. */
function spread(data: Dataset, most: number): Dataset {
  const count = Math.min(most, data.size);
  return subset(
    data,
    Array.from({ length: count }, (_, i) => Math.floor((i * data.size) / count)),
  );
}
