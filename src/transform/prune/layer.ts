import {
  floatOf,
  type GraphIndex,
  intOf,
  type Model,
  type Node,
  namer,
  sizeOf,
  soleConsumer,
  Tensor,
} from '../../graph/index.ts';

/** A layer that reads cut units. */
export interface Layer {
  /** The node in the cut model. */
  readonly node: Node;
  /** What it reads and, with its bias, makes. */
  readonly input: string;
  readonly output: string;
  readonly weightName: string;
  readonly weight: Tensor;
  readonly original: Tensor;
  /** Axes of the weight: what is summed over and what is made. */
  readonly read: number;
  readonly made: number;
  /** Where the bias stands; undefined where the layer cannot have one. */
  readonly bias:
    | { readonly node: Node; readonly input: number; readonly value: Tensor | undefined }
    | undefined;
  /** Gemm multiplies by them. */
  readonly alpha: number;
  readonly beta: number;
}

/** The layer of a node; undefined where it reads nothing that was cut, a reason where it cannot be refitted. */
export function layerOf(
  original: Model,
  small: Model,
  node: Node,
  index: GraphIndex,
): Layer | string | undefined {
  if (node.domain !== '' || !['Conv', 'Gemm', 'MatMul'].includes(node.op)) return undefined;
  const name = node.inputs[1]!;
  const [before, weight] = [original, small].map(({ graph }) => graph.initializers.get(name)) as (
    | Tensor
    | undefined
  )[];
  if (before === undefined || weight === undefined) return undefined;
  const turned = node.op === 'Conv' || intOf(node, 'transB', 0) !== 0;
  const [read, made] = turned ? [1, 0] : [0, 1];
  if (node.op === 'MatMul' && before.dims.length !== 2) return undefined;
  if (before.dims[read] === weight.dims[read]) return undefined;
  const twin = small.graph.nodes.find(({ outputs }) => outputs[0] === node.outputs[0])!;
  if (intOf(twin, 'group', 1) !== 1) return 'reads groups of channels';
  if (intOf(node, 'transA', 0) !== 0) return 'reads its input transposed';
  if (weight.dtype !== 'float32') return `its weight is ${weight.dtype}`;
  if (index.consumers.get(name)?.length !== 1) return 'shares its weight with another layer';
  const [alpha, beta] = [floatOf(node, 'alpha', 1), floatOf(node, 'beta', 1)];
  if (alpha === 0) return 'multiplies by nothing';
  const base = {
    node: twin,
    input: node.inputs[0]!,
    weightName: name,
    weight,
    original: before,
    read,
    made,
    alpha,
    beta,
  };
  if (node.op !== 'MatMul') {
    const bias = node.inputs[2] ?? '';
    const value = bias === '' ? undefined : small.graph.initializers.get(bias);
    if (bias !== '' && value === undefined) return 'its bias is computed';
    const column = value !== undefined && value.dims.length === 2 && value.dims[0] !== 1;
    if (column || beta === 0) return 'its bias is not one number for each output';
    return { ...base, output: node.outputs[0]!, bias: { node: twin, input: 2, value } };
  }
  const add = soleConsumer(index, node.outputs[0]!);
  const at = add?.inputs.findIndex((input) => input !== node.outputs[0]) ?? -1;
  const value = add?.op === 'Add' && at >= 0 ? small.graph.initializers.get(add.inputs[at]!) : undefined;
  const vector = value !== undefined && value.dtype === 'float32' && sizeOf(value.dims) === weight.dims[1];
  if (!vector || value.dims.at(-1) !== weight.dims[1])
    return { ...base, output: node.outputs[0]!, bias: undefined };
  const after = small.graph.nodes.find(({ outputs }) => outputs[0] === add!.outputs[0])!;
  return { ...base, output: add!.outputs[0]!, bias: { node: after, input: at, value } };
}

/** The numbers that one output of a layer is a product with: its inputs, and one for the bias. */
export const unknownsOf = ({ weight, made, bias }: Layer) =>
  weight.size / weight.dims[made]! + (bias === undefined ? 0 : 1);

/** The weight and the bias as they were sliced: [outputs, unknowns]. */
export function priorOf(layer: Layer): Float64Array {
  const { weight, made, bias, alpha, beta } = layer;
  const unknowns = unknownsOf(layer);
  const [count, values] = [weight.dims[made]!, weight.as('float32')];
  const inputs = values.length / count;
  const old = bias?.value?.as('float32');
  const prior = new Float64Array(count * unknowns);
  for (let o = 0; o < count; o++) {
    for (let i = 0; i < inputs; i++) {
      prior[o * unknowns + i] = alpha * values[made === 0 ? o * inputs + i : i * count + o]!;
    }
    if (bias !== undefined) prior[o * unknowns + inputs] = beta * (old?.[old.length === 1 ? 0 : o] ?? 0);
  }
  return prior;
}

/** Gives a layer of the model its weight and bias: [outputs, unknowns]. */
export function write({ graph }: Model, layer: Layer, solved: Float64Array): void {
  const { weight, weightName, made, bias, alpha, beta } = layer;
  const unknowns = unknownsOf(layer);
  const count = weight.dims[made]!;
  const inputs = weight.size / count;
  const values = new Float32Array(weight.size);
  for (let o = 0; o < count; o++) {
    for (let i = 0; i < inputs; i++) {
      values[made === 0 ? o * inputs + i : i * count + o] = solved[o * unknowns + i]! / alpha;
    }
  }
  graph.initializers.set(weightName, Tensor.float32(weight.dims, values));
  if (bias === undefined) return;
  const fitted = Float32Array.from({ length: count }, (_, o) => solved[o * unknowns + inputs]! / beta);
  const name = namer(graph)(`${weightName}_bias`);
  const dims = bias.value !== undefined && bias.value.size === count ? bias.value.dims : [count];
  graph.initializers.set(name, Tensor.float32(dims, fitted));
  while (bias.node.inputs.length < bias.input) bias.node.inputs.push('');
  const old = bias.node.inputs[bias.input];
  bias.node.inputs[bias.input] = name;
  const unread = !graph.nodes.some(({ inputs: read }) => read.includes(old ?? ''));
  if (old !== undefined && old !== '' && unread) graph.initializers.delete(old);
}
