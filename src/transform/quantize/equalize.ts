import { fail } from '../../base/index.ts';
import { bind, type Dataset } from '../../data/index.ts';
import { attr, cloneModel, type Model, makeNode, namer, Tensor, tensorType } from '../../graph/index.ts';
import { openSession } from '../../run/index.ts';
import type { DeclaredError, Pass, PassContext, PassNote, PassResult } from '../pass.ts';
import { eachInput, type LayerPair, layerPairs } from './layer-pairs.ts';
import { findSites, type Site } from './sites.ts';
import { requireOpset, withNames } from './static.ts';
import { channelLayout } from './weights.ts';

export interface EqualizeOptions {
  /** How much of the unevenness of activations goes into the weights of a dense layer behind: 0 none, 1 all. */
  readonly share: number;
  /** Samples per run, and at most so many samples in all. */
  readonly batch: number;
  readonly samples: number;
}

/**
 * Cross-layer equalization (Nagel et al. 2019; with measured activations, as in SmoothQuant, Xiao et al. 2023): where one channel of a value
 * is a hundred times larger than another, one 8-bit scale cannot serve both. The layer that makes a channel is
 * divided by a factor and the layer that reads it multiplied, which changes nothing in float, through Relu, LeakyRelu, PRelu and pooling as well; pairs may follow each other in a chain.
 */
export const equalization: Pass<EqualizeOptions> = {
  name: 'equalize',
  summary: 'evens out the channels of activations between layers, so that 8 bits serve all; measured on data',
  defaults: { share: 0.7, batch: 32, samples: 256 },
  error: (): DeclaredError => ({
    kind: 'bounded',
    atol: 1e-5,
    rtol: 1e-3,
    why: 'factors are powers of two, but sums may be taken in another order',
  }),
  async apply(model: Model, options: EqualizeOptions, context: PassContext): Promise<PassResult> {
    const named = withNames(model);
    requireOpset(named, 13);
    const pairs = layerPairs(findSites(named));
    if (pairs.length === 0) return { model, modified: false, notes: [] };
    if (context.calibration === undefined) throw fail('CALIBRATION_NEEDED', 'the pass got no data');
    const ranges = await channelRanges(named, pairs, context.calibration, options, context.signal);
    const notes: PassNote[] = [];
    const weights = new Map<string, Float32Array>();
    for (const pair of pairs) {
      const factors = factorsOf(pair, ranges.get(pair.value)!, weights, options.share);
      if (factors.every((factor) => factor === 1)) continue;
      scale(pair, factors, weights);
      const [least, most] = [Math.min(...factors), Math.max(...factors)];
      const why = `channels divided by ${least} to ${most}, ${pair.reader.node.name} multiplied`;
      notes.push({ node: pair.maker.node.name, op: pair.maker.node.op, action: 'changed', why });
    }
    if (notes.length === 0) return { model, modified: false, notes };
    for (const [name, values] of weights) {
      named.graph.initializers.set(name, Tensor.float32(named.graph.initializers.get(name)!.dims, values));
    }
    return { model: named, modified: true, notes };
  },
};

/** The largest size of each channel of the values between. */
async function channelRanges(
  model: Model,
  pairs: readonly LayerPair[],
  dataset: Dataset,
  { batch, samples }: EqualizeOptions,
  signal: AbortSignal | undefined,
): Promise<Map<string, Float32Array>> {
  const probe = cloneModel(model);
  const { graph } = probe;
  const name = namer(graph);
  const outputs = new Map<string, string>();
  for (const { value, maker, channels } of pairs) {
    const [size, flat, most] = [name(`${value}_size`), name(`${value}_flat`), name(`${value}_most`)] as const;
    // Channels to the last axis, then everything else into one.
    let last = size;
    graph.nodes.push(makeNode('Abs', [value], [size]));
    if (maker.node.op === 'Conv') {
      const rank = maker.weight!.tensor.dims.length;
      const perm = Array.from({ length: rank }, (_, i) => i).filter((axis) => axis !== 1);
      last = name(`${value}_turned`);
      graph.nodes.push(makeNode('Transpose', [size], [last], { perm: attr.ints([...perm, 1]) }));
    }
    const shape = name(`${value}_shape`);
    graph.initializers.set(shape, Tensor.int64([3], [1, -1, channels]));
    graph.nodes.push(makeNode('Reshape', [last, shape], [flat]));
    const turned = name(`${value}_rows`);
    graph.nodes.push(makeNode('Transpose', [flat], [turned], { perm: attr.ints([0, 2, 1]) }));
    // GlobalMaxPool, for ReduceMax has its axes elsewhere since opset 18.
    graph.nodes.push(makeNode('GlobalMaxPool', [turned], [most]));
    graph.outputs.push({ name: most, type: tensorType('float32', undefined) });
    outputs.set(value, most);
  }
  const ranges = new Map(pairs.map(({ value, channels }) => [value, new Float32Array(channels)]));
  const session = await openSession(probe);
  try {
    const indices = Array.from({ length: Math.min(samples, dataset.size) }, (_, i) => i);
    for await (const { feeds } of bind(dataset, session.inputs, { batch, indices, signal })) {
      const fetched = await session.run(feeds, { outputs: [...outputs.values()], signal });
      for (const [value, output] of outputs) {
        const range = ranges.get(value)!;
        fetched[output]!.as('float32').forEach((most, channel) => {
          if (most > range[channel]!) range[channel] = most;
        });
      }
    }
  } finally {
    await session.dispose();
  }
  return ranges;
}

/** Furthest that a channel may be scaled. */
const FURTHEST = 64;

/** What each channel is divided by: powers of two, so that the scaled weights are the same numbers. */
function factorsOf(
  pair: LayerPair,
  range: Float32Array,
  weights: Map<string, Float32Array>,
  share: number,
): number[] {
  const reading = pair.depthwise ? undefined : columnSizes(pair, weights);
  const largest = range.reduce((a, b) => Math.max(a, b), 0);
  return Array.from(range, (size, channel) => {
    if (!(size > 0) || !(largest > 0)) return 1;
    // A depthwise layer has a scale of its own for each channel: its weights take any factor.
    const wanted =
      reading === undefined ? size / largest : (size / largest) ** share / reading[channel]! ** (1 - share);
    if (!(wanted > 0) || !Number.isFinite(wanted)) return 1;
    return 2 ** Math.round(Math.log2(Math.min(1, Math.max(1 / FURTHEST, wanted))));
  });
}

/** The largest weight on each input channel of the reader, as a share of the largest of all. */
function columnSizes({ reader, channels }: LayerPair, weights: Map<string, Float32Array>): Float32Array {
  const values = current(reader, weights);
  const sizes = new Float32Array(channels);
  eachInput(reader, channels, (at, channel) => {
    sizes[channel] = Math.max(sizes[channel]!, Math.abs(values[at]!));
  });
  const largest = sizes.reduce((a, b) => Math.max(a, b), 0);
  return sizes.map((size) => (largest > 0 && size > 0 ? size / largest : 1));
}

/** The weight of a site with what earlier pairs did to it. */
function current({ weight }: Site, weights: Map<string, Float32Array>): Float32Array {
  let values = weights.get(weight!.value);
  if (values === undefined) {
    values = weight!.tensor.as('float32').slice();
    weights.set(weight!.value, values);
  }
  return values;
}

function scale(
  { maker, reader, channels, depthwise }: LayerPair,
  factors: readonly number[],
  weights: Map<string, Float32Array>,
): void {
  const made = current(maker, weights);
  const { inner } = channelLayout(maker.weight!.tensor.dims, maker.weight!.axis);
  for (let i = 0; i < made.length; i++) made[i]! /= factors[Math.floor(i / inner) % channels]!;
  if (maker.bias !== undefined) {
    const bias = weights.get(maker.bias.value) ?? maker.bias.tensor.as('float32').slice();
    for (let i = 0; i < bias.length; i++) bias[i]! /= factors[i]!;
    weights.set(maker.bias.value, bias);
  }
  const read = current(reader, weights);
  if (depthwise) {
    const per = read.length / channels;
    for (let i = 0; i < read.length; i++) read[i]! *= factors[Math.floor(i / per)]!;
  } else {
    eachInput(reader, channels, (at, channel) => {
      read[at]! *= factors[channel]!;
    });
  }
}
