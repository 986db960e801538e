import { bind, type Dataset } from '../../data/index.ts';
import {
  attr,
  cloneModel,
  cloneNode,
  type Graph,
  type Model,
  makeNode,
  type Node,
  namer,
  Tensor,
  tensorType,
} from '../../graph/index.ts';
import { openSession } from '../../run/index.ts';
import { dequantizeWeight } from './fusion-rewrite.ts';
import { paramTensors, type QParams } from './numbers.ts';
import type { Placement } from './placement.ts';
import type { Site } from './sites.ts';
import { quantizeWeight, type WeightOptions } from './weights.ts';

export interface CorrectionOptions {
  readonly weights: Pick<WeightOptions, 'reduce' | 'bits' | 'fit'> & { readonly perChannel: boolean };
  readonly batch: number;
  /** The first so many samples. Default 512. */
  readonly samples?: number;
  readonly signal?: AbortSignal;
}

/** What to add to the bias of a node, one number a channel, by node name. */
export type BiasShifts = ReadonlyMap<string, Float32Array>;

/**
 * Rounding a weight shifts the mean of what it makes: inputs are seldom centred, so the errors of a channel do not cancel.
 * Measures that shift for every Conv, Gemm and MatMul with a bias in one pass: each runs a second time beside itself on
 * quantized inputs and weights, and the mean difference per channel is what the bias lacks (Nagel et al., "Data-free quantization through
 * weight equalization and bias correction", 2019, with measured instead of derived means). Inputs are those of the
 * float model, so that each layer answers for its own error alone.
 */
export async function biasShifts(
  model: Model,
  placement: Placement,
  params: ReadonlyMap<string, QParams>,
  dataset: Dataset,
  options: CorrectionOptions,
): Promise<BiasShifts> {
  const { batch, samples = 512, signal } = options;
  const { model: twin, outputs } = withTwins(model, placement, params, options);
  const sums = new Map<string, Float64Array>();
  if (outputs.size === 0) return new Map();
  let total = 0;
  const session = await openSession(twin);
  try {
    const indices = Array.from({ length: Math.min(samples, dataset.size) }, (_, i) => i);
    for await (const part of bind(dataset, session.inputs, { batch, indices, signal })) {
      const fetched = await session.run(part.feeds, { outputs: [...outputs.values()], signal });
      for (const [node, output] of outputs) {
        const means = fetched[output]!.as('float32');
        const sum = sums.get(node) ?? new Float64Array(means.length);
        for (let i = 0; i < means.length; i++) sum[i]! += means[i]! * part.indices.length;
        sums.set(node, sum);
      }
      total += part.indices.length;
    }
  } finally {
    await session.dispose();
  }
  const shifts = new Map<string, Float32Array>();
  for (const [node, sum] of sums) {
    const shift = Float32Array.from(sum, (value) => value / total);
    if (shift.every(Number.isFinite)) shifts.set(node, shift);
  }
  return shifts;
}

/** Sites that have a bias, or can be given one. */
function correctable(site: Site): boolean {
  return site.weight?.axis !== undefined && (site.bias !== undefined || site.node.op !== 'MatMul');
}

function withTwins(
  model: Model,
  { sites }: Placement,
  params: ReadonlyMap<string, QParams>,
  options: CorrectionOptions,
): { model: Model; outputs: Map<string, string> } {
  const twin = cloneModel(model);
  const { graph } = twin;
  const name = namer(graph);
  const opset = model.opsets.get('') ?? 1;
  const rounded = new Map<string, string>();
  const outputs = new Map<string, string>();
  for (const site of sites) {
    if (!correctable(site)) continue;
    const weight = site.weight!;
    const copy = cloneNode(site.node);
    const result = site.node.outputs[0]!;
    copy.name = name(`${site.node.name}:twin`);
    copy.outputs = [name(`${result}_twin`)];
    copy.inputs[site.activations[0]!.input] = roundedValue(
      graph,
      site.activations[0]!.value,
      params,
      rounded,
      name,
    );
    const { perChannel, ...rest } = options.weights;
    const constant = quantizeWeight(weight.tensor, { ...rest, axis: perChannel ? weight.axis : undefined });
    const rough = name(`${weight.value}_rounded`);
    graph.initializers.set(rough, dequantizeWeight(constant));
    copy.inputs[weight.input] = rough;
    const difference = name(`${result}_lost`);
    const mean = name(`${result}_shift`);
    graph.nodes.push(copy, makeNode('Sub', [result, copy.outputs[0]!], [difference]));
    graph.nodes.push(meanPerChannel(graph, site, difference, mean, opset, name));
    graph.outputs.push({ name: mean, type: tensorType('float32', undefined) });
    outputs.set(site.node.name, mean);
  }
  return { model: twin, outputs };
}

function roundedValue(
  graph: Graph,
  value: string,
  params: ReadonlyMap<string, QParams>,
  done: Map<string, string>,
  name: (stem: string) => string,
): string {
  const known = done.get(value);
  if (known !== undefined) return known;
  const { scale, zeroPoint } = paramTensors(params.get(value)!);
  const names = [name(`${value}_scale`), name(`${value}_zero_point`)] as const;
  graph.initializers.set(names[0], scale);
  graph.initializers.set(names[1], zeroPoint);
  const [q, result] = [name(`${value}_q`), name(`${value}_rounded`)];
  graph.nodes.push(makeNode('QuantizeLinear', [value, ...names], [q]));
  graph.nodes.push(makeNode('DequantizeLinear', [q, ...names], [result]));
  done.set(value, result);
  return result;
}

/** Conv has its channels on axis 1, matrix products on the last: they are brought to the front, and the rest is averaged. */
function meanPerChannel(
  graph: Graph,
  site: Site,
  value: string,
  result: string,
  opset: number,
  name: (stem: string) => string,
): Node {
  const channels = site.weight!.tensor.dims[site.weight!.axis!]!;
  const rank = site.weight!.tensor.dims.length;
  let flat = value;
  let axes = [0];
  if (site.node.op === 'Conv') axes = Array.from({ length: rank }, (_, i) => i).filter((axis) => axis !== 1);
  else {
    const shape = name(`${value}_shape`);
    graph.initializers.set(shape, Tensor.int64([2], [-1, channels]));
    flat = name(`${value}_rows`);
    graph.nodes.push(makeNode('Reshape', [value, shape], [flat]));
  }
  if (opset < 18)
    return makeNode('ReduceMean', [flat], [result], { axes: attr.ints(axes), keepdims: attr.int(0) });
  const input = name(`${value}_axes`);
  graph.initializers.set(input, Tensor.int64([axes.length], axes));
  return makeNode('ReduceMean', [flat, input], [result], { keepdims: attr.int(0) });
}

/** The model with corrected biases (new ones where there was none). The input is left alone. */
export function withShiftedBiases(model: Model, { sites }: Placement, shifts: BiasShifts): Model {
  const result = cloneModel(model);
  const { graph } = result;
  const name = namer(graph);
  const at = new Map(model.graph.nodes.map((node, i) => [node, graph.nodes[i]!]));
  for (const site of sites) {
    const shift = shifts.get(site.node.name);
    if (shift === undefined || !correctable(site)) continue;
    const { bias } = site;
    const old = bias?.tensor.as('float32');
    const corrected = Float32Array.from(shift, (value, i) => value + (old?.[i] ?? 0));
    const fresh = name(`${bias?.value ?? site.node.outputs[0]}_corrected`);
    graph.initializers.set(fresh, Tensor.float32(bias?.tensor.dims ?? [corrected.length], corrected));
    const holder = at.get(bias?.node ?? site.node)!;
    const slot = bias?.input ?? 2;
    while (holder.inputs.length < slot) holder.inputs.push('');
    holder.inputs[slot] = fresh;
  }
  return result;
}
