import { fail } from '../../base/index.ts';
import { type Model, Tensor } from '../../graph/index.ts';
import type { DeclaredError, Pass, PassContext, PassResult } from '../pass.ts';
import { type BlockedWeight, blockedValues, quantizeBlocks } from './blocks.ts';
import type { Gram } from './gram.ts';
import { decibels, LayerError } from './layer-error.ts';
import { type Activations, type Replacement, streamLayers } from './layer-stream.ts';
import { type LinearLayer, linearLayers } from './linear-layers.ts';
import { roundOptimally } from './optimal-rounding.ts';
import { withNames } from './static.ts';
import {
  type Prepared,
  quantizeWeightsOnly,
  requireBlockSize,
  rewriteWeights,
  WEIGHT_ONLY_DEFAULTS,
  type WeightOnlyOptions,
} from './weight-only.ts';

export interface GptqOptions extends WeightOnlyOptions {
  /** Added to the diagonal of X^T X, as a share of its mean: more of it trusts the samples less. */
  readonly damping: number;
  /** Rounds the inputs of largest activations first; scales are then those of the original weights. */
  readonly actOrder: boolean;
  /**
   * Adds to each output what rounding takes from its mean, and rounds for the rest: an error that is the same for every sample
   * does not average out behind, and a bias costs nothing.
   */
  readonly meanCorrection: boolean;
  /** quantized: each layer is rounded for what the layers before it, already rounded, give; float: for what they gave before. */
  readonly activations: 'quantized' | 'float';
  /** Samples per run, and at most so many samples in all, evenly spread. */
  readonly batch: number;
  readonly samples: number;
}

/** Above this many inputs X^T X of a layer takes gigabytes, and factoring it minutes. */
export const WIDEST = 8192;

/**
 * Weights rounded one input after the other, so that the outputs on the calibration data lose least (GPTQ, see roundOptimally). MatMul and
 * Gemm of the main graph; those in nested graphs, and layers wider than 8192 inputs, are rounded as quantize-weights does.
 */
export const gptqQuantization: Pass<GptqOptions> = {
  name: 'quantize-gptq',
  summary:
    'weights in 4 bits by blocks, each rounding making up for those before it (GPTQ); measured on data',
  defaults: {
    ...WEIGHT_ONLY_DEFAULTS,
    damping: 0.01,
    actOrder: false,
    meanCorrection: true,
    activations: 'quantized',
    batch: 16,
    samples: 128,
  },
  error: ({ bits }): DeclaredError => ({ kind: 'lossy', why: `weights are rounded to ${bits} bits` }),
  async apply(model: Model, options: GptqOptions, context: PassContext): Promise<PassResult> {
    requireBlockSize(options);
    if (!(options.damping > 0)) throw fail('USAGE_BAD_OPTION', `damping is ${options.damping}, not above 0`);
    return roundOnData(model, options, context, 'in turn');
  },
};

/**
 * Rounds the weights on the calibration data, in turn or each to the nearest number, and writes them in blocks; with meanCorrection, what
 * that takes from the means of the outputs is added back. Throws CALIBRATION_NEEDED, and what running throws.
 */
export async function roundOnData(
  model: Model,
  options: GptqOptions,
  { calibration, progress, signal }: PassContext,
  how: 'in turn' | 'nearest',
): Promise<PassResult> {
  if (calibration === undefined) throw fail('CALIBRATION_NEEDED', 'the pass got no data');
  const named = withNames(model);
  const { notes } = rewriteWeights(named, options);
  const chosen = new Set(notes.filter(({ action }) => action === 'changed').map(({ node }) => node));
  const layers = linearLayers(named).filter(({ node, k }) => chosen.has(node.name) && k <= WIDEST);
  const rounder = new Rounder(options, how, signal);
  const { batch, samples } = options;
  await streamLayers(
    named,
    layers,
    calibration,
    (layer, activations, gram) => rounder.round(layer, activations, gram),
    { batch, samples, progress, signal },
  );
  return quantizeWeightsOnly(named, options, rounder.prepared);
}

class Rounder {
  readonly prepared = new Map<string, Prepared>();
  readonly #options: GptqOptions;
  readonly #how: 'in turn' | 'nearest';
  readonly #signal: AbortSignal | undefined;
  /** By weight: layers that share one are rounded once, for the first of them. */
  readonly #done = new Map<string, Prepared>();

  constructor(options: GptqOptions, how: 'in turn' | 'nearest', signal: AbortSignal | undefined) {
    this.#options = options;
    this.#how = how;
    this.#signal = signal;
  }

  /** What the layers behind are to see; undefined for the old weight. */
  async round(layer: LinearLayer, seen: Activations, gram: Gram): Promise<Replacement | undefined> {
    const { bits, activations, meanCorrection } = this.#options;
    const key = `${layer.transposed}:${layer.weight}`;
    const found = this.#done.get(key) ?? (await this.#best(layer, seen, gram));
    this.#done.set(key, found);
    const shift = meanCorrection
      ? meanLost(layer, blockedValues(found.made, layer.transposed, bits), seen)
      : undefined;
    this.prepared.set(layer.node.name, { ...found, shift });
    if (activations === 'float') return undefined;
    return { weight: blockedValues(found.made, layer.transposed, bits), shift };
  }

  /** The nearest numbers stay where rounding in turn is no better on the very samples it was made for. */
  async #best(layer: LinearLayer, seen: Activations, gram: Gram): Promise<Prepared> {
    const { tensor, transposed } = layer;
    const h = this.#options.meanCorrection ? centred(seen) : seen.gram;
    const nearest = quantizeBlocks(tensor, transposed, this.#options);
    const error = new LayerError(gram, h, layer, this.#signal);
    const lost = (made: BlockedWeight) => error.lost(blockedValues(made, false, this.#options.bits));
    const [energy, before] = [await error.energy(), await lost(nearest)];
    const plain = `outputs ${decibels(before, energy)}, to the nearest`;
    if (this.#how === 'nearest') return { made: nearest, told: `outputs ${decibels(before, energy)}` };
    const rounded = roundOptimally(tensor, transposed, h, this.#options)?.made;
    if (rounded === undefined) {
      return { made: nearest, told: `${plain}: its activations are all the same or not finite` };
    }
    const after = await lost(rounded);
    if (!(after < before)) return { made: nearest, told: plain };
    return {
      made: rounded,
      told: `outputs ${decibels(after, energy)}, to the nearest ${decibels(before, energy)}`,
    };
  }
}

/** X^T X of the activations less their mean. */
export function centred({ gram, sum, rows }: Activations): Float64Array {
  const k = sum.length;
  const h = gram.slice();
  for (let i = 0; i < k; i++) for (let j = 0; j < k; j++) h[i * k + j]! -= (sum[i]! * sum[j]!) / rows;
  return h;
}

/** What the mean activation makes of the rounding errors, for each output: adding it keeps the means of the outputs. */
function meanLost(
  { tensor, transposed, k, n }: LinearLayer,
  rounded: Tensor,
  { sum, rows }: Activations,
): Tensor {
  const [before, after] = [tensor.as('float32'), rounded.as('float32')];
  const shift = new Float64Array(n);
  for (let i = 0; i < before.length; i++) {
    const [row, column] = transposed ? [i % k, Math.floor(i / k)] : [Math.floor(i / n), i % n];
    shift[column]! += ((before[i]! - after[i]!) * sum[row]!) / rows;
  }
  return Tensor.float32([n], Float32Array.from(shift));
}
