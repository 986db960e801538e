import { fail } from '../../base/index.ts';
import type { Dataset } from '../../data/index.ts';
import { type Model, type Node, namer, removeDead, stringOf, Tensor } from '../../graph/index.ts';
import type { DeclaredError, Pass, PassContext, PassNote, PassResult } from '../pass.ts';
import { observe } from './calibrate/observe.ts';
import { spreadIndices } from './calibrate/spread.ts';
import { eachInput, type LayerPair, layerPairs } from './layer-pairs.ts';
import { findSites, type Site } from './sites.ts';
import { requireOpset, withNames } from './static.ts';

export interface AbsorbOptions {
  /** How much of the lowest value that a channel ever had is taken away: 1 all of it. */
  readonly share: number;
  /** Samples per run, and at most so many samples in all, evenly spread. */
  readonly batch: number;
  readonly samples: number;
}

/**
 * High-bias absorption (Nagel et al., "Data-free quantization through weight equalization and bias correction", 2019, with
 * measured instead of derived minima): a channel that is above c > 0 on every sample wastes what 8 bits spend below c. It is made smaller by
 * c through the bias of its layer, and the layer that reads it gets what its weights make of c as bias. Relu and the like keep
 * that as it is while the channel stays above c; below c, on samples not seen, answers differ.
 */
export const biasAbsorption: Pass<AbsorbOptions> = {
  name: 'absorb-bias',
  summary:
    'moves what a channel always has into the biases of the layer behind, so that 8 bits span less; measured on data',
  defaults: { share: 1, batch: 32, samples: 256 },
  error: (): DeclaredError => ({
    kind: 'lossy',
    why: 'a channel that falls below its minimum on the calibration data is cut off there',
  }),
  async apply(model: Model, options: AbsorbOptions, context: PassContext): Promise<PassResult> {
    if (!(options.share > 0 && options.share <= 1)) {
      throw fail('USAGE_BAD_OPTION', `share is ${options.share}, not above 0 and at most 1`);
    }
    const named = withNames(model);
    requireOpset(named, 13);
    const notes: PassNote[] = [];
    const pairs = layerPairs(findSites(named)).filter((pair) => {
      const why = obstacle(pair);
      if (why !== undefined) notes.push(noteOf(pair, 'refused', why));
      return why === undefined;
    });
    if (pairs.length === 0) return { model, modified: false, notes };
    if (context.calibration === undefined) throw fail('CALIBRATION_NEEDED', 'the pass got no data');
    const lowest = await minima(named, pairs, context.calibration, options, context.signal);
    let modified = false;
    for (const pair of pairs) {
      const taken = lowest
        .get(pair.value)!
        .map((low) => (low > 0 && Number.isFinite(low) ? options.share * low : 0));
      const many = taken.filter((c) => c > 0).length;
      if (many === 0) continue;
      move(named, pair, taken);
      modified = true;
      notes.push(
        noteOf(
          pair,
          'changed',
          `${many} of ${pair.channels} channels made smaller, ${pair.reader.node.name} adds what they had`,
        ),
      );
    }
    if (!modified) return { model, modified, notes };
    removeDead(named.graph);
    return { model: named, modified, notes };
  },
};

function noteOf({ maker: { node } }: LayerPair, action: PassNote['action'], why: string): PassNote {
  return { node: node.name, op: node.op, action, why };
}

/** Why a constant on a channel would not arrive as a constant. */
function obstacle({ maker, reader, between }: LayerPair): string | undefined {
  for (const node of between) {
    if (node.op === 'AveragePool' && padded(node)) return `${node.name} averages over padding`;
  }
  if (reader.node.op === 'Conv' && padded(reader.node)) return `${reader.node.name} pads with zeros`;
  const without = [maker, reader].find(({ node, bias }) => bias === undefined && node.op === 'MatMul');
  return without === undefined ? undefined : `${without.node.name} has no bias`;
}

function padded(node: Node): boolean {
  const pads = node.attributes.get('pads')?.value as readonly number[] | undefined;
  return (
    !['NOTSET', 'VALID'].includes(stringOf(node, 'auto_pad', 'NOTSET')) ||
    (pads ?? []).some((pad) => pad !== 0)
  );
}

/** The lowest value of each channel, by value. */
async function minima(
  model: Model,
  pairs: readonly LayerPair[],
  dataset: Dataset,
  { batch, samples }: AbsorbOptions,
  signal: AbortSignal | undefined,
): Promise<Map<string, Float64Array>> {
  const lowest = new Map(
    pairs.map(({ value, channels }) => [value, new Float64Array(channels).fill(Number.POSITIVE_INFINITY)]),
  );
  const images = new Set(pairs.filter(({ maker }) => maker.node.op === 'Conv').map(({ value }) => value));
  const indices = spreadIndices(dataset.size, samples);
  await observe(
    model,
    dataset,
    [...lowest.keys()],
    (value, tensor) => {
      const low = lowest.get(value)!;
      const inner = images.has(value) ? tensor.dims.slice(2).reduce((product, dim) => product * dim, 1) : 1;
      tensor.as('float32').forEach((x, i) => {
        const channel = Math.floor(i / inner) % low.length;
        if (x < low[channel]!) low[channel] = x;
      });
    },
    { batch, indices, signal },
  );
  return lowest;
}

/** Takes the constants out of what the maker gives and adds what the reader makes of them. */
function move(model: Model, { maker, reader, channels, depthwise }: LayerPair, taken: Float64Array): void {
  shiftBias(
    model,
    maker,
    Float64Array.from(taken, (c) => -c),
  );
  // Of this very moment: an earlier pair changed no weight, only biases.
  const weight = reader.weight!;
  const values = weight.tensor.as('float32');
  const outputs = weight.tensor.dims[weight.axis!]!;
  const gains = new Float64Array(outputs);
  const inner = weight.tensor.dims.slice(weight.axis! + 1).reduce((product, dim) => product * dim, 1);
  const outputOf = (at: number) => Math.floor(at / inner) % outputs;
  if (depthwise) {
    const per = outputs / channels;
    for (let at = 0; at < values.length; at++) {
      gains[outputOf(at)]! += values[at]! * taken[Math.floor(outputOf(at) / per)]!;
    }
  } else {
    eachInput(reader, channels, (at, channel) => {
      gains[outputOf(at)]! += values[at]! * taken[channel]!;
    });
  }
  shiftBias(model, reader, gains);
}

function shiftBias({ graph }: Model, { node, bias, weight }: Site, shift: Float64Array): void {
  const holder = bias?.node ?? node;
  const slot = bias?.input ?? 2;
  // As it is by now: an earlier pair may have made it.
  const old = graph.initializers.get(holder.inputs[slot] ?? '');
  const values = Float32Array.from(shift, (by, i) => (old?.as('float32')[i] ?? 0) + by);
  const name = namer(graph)(`${old === undefined ? weight!.value : holder.inputs[slot]}_shifted`);
  while (holder.inputs.length <= slot) holder.inputs.push('');
  holder.inputs[slot] = name;
  graph.initializers.set(name, Tensor.float32(old?.dims ?? [shift.length], values));
}
