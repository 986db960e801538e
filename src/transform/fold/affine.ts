import {
  constantOf,
  floatOf,
  type Graph,
  type GraphIndex,
  indexGraph,
  intOf,
  type Node,
  soleConsumer,
  Tensor,
} from '../../graph/index.ts';

/** y = scale[c] * x + shift[c] for each output channel c. */
export interface Affine {
  readonly scale: Float64Array;
  readonly shift: Float64Array;
}

/** A linear operator whose weights and bias can take in what is done to its output channel by channel. */
export interface Linear {
  readonly node: Node;
  readonly channels: number;
  /** Where the channels are among the axes of the output, from the end: 0 is the last. */
  readonly fromEnd: number;
  /** Dimensions of the output; undefined for a MatMul of activations of unknown rank. */
  readonly rank: number | undefined;
  readonly weight: Tensor;
  /** The Add that follows a MatMul and bears its bias. */
  readonly add?: { readonly node: Node; readonly at: number };
  readonly bias: Float64Array | undefined;
}

export function float32Of(tensor: Tensor | undefined): Float32Array | undefined {
  return tensor?.dtype === 'float32' ? tensor.as('float32') : undefined;
}

/**
 * The linear operator that makes `name` and whose weights nobody else needs to see through it; or why there is none, in one
 * clause; or undefined where nothing of the kind makes it.
 */
export function linearBehind(graph: Graph, index: GraphIndex, name: string): Linear | string | undefined {
  const node = index.producers.get(name);
  if (node === undefined || node.domain !== '') return undefined;
  const known = ['Conv', 'ConvTranspose', 'Gemm', 'MatMul', 'Add'];
  if (!known.includes(node.op)) return undefined;
  if (node.op === 'Add') return matMulAdd(graph, index, node);
  if (soleConsumer(index, name) === undefined) return `the output of ${node.op} is read elsewhere too`;
  const weight = constantOf(graph, node.inputs[1] ?? '', index);
  if (weight?.dtype !== 'float32') return `the weight of ${node.op} is no float32 constant`;
  const rank = weight.dims.length;
  if (node.op === 'MatMul') {
    if (rank !== 2) return 'the weight of MatMul is not a matrix';
    return { node, channels: weight.dims[1]!, fromEnd: 0, rank: undefined, weight, bias: undefined };
  }
  const group = intOf(node, 'group', 1);
  const channels =
    node.op === 'Conv'
      ? weight.dims[0]!
      : node.op === 'ConvTranspose'
        ? weight.dims[1]! * group
        : weight.dims[intOf(node, 'transB', 0) ? 0 : 1]!;
  const outer = node.op === 'Gemm' ? 2 : rank;
  const given = node.inputs[2] ?? '';
  const tensor = constantOf(graph, given, index);
  if (given !== '' && tensor?.dtype !== 'float32') return `the bias of ${node.op} is no float32 constant`;
  const bias = tensor && spread(tensor, channels, node.op === 'Gemm' ? 0 : undefined);
  if (tensor !== undefined && bias === undefined) return `the bias of ${node.op} is not one per channel`;
  return { node, channels, fromEnd: outer - 2, rank: outer, weight, bias };
}

function matMulAdd(graph: Graph, index: GraphIndex, add: Node): Linear | string | undefined {
  for (const at of [0, 1]) {
    const matMul = index.producers.get(add.inputs[at]!);
    if (matMul?.op !== 'MatMul') continue;
    const inner = linearBehind(graph, index, matMul.outputs[0]!);
    if (inner === undefined || typeof inner === 'string') return inner;
    const tensor = constantOf(graph, add.inputs[1 - at]!, index);
    const bias = tensor && tensor.dims.length <= 1 ? spread(tensor, inner.channels, 0) : undefined;
    if (tensor?.dtype !== 'float32' || bias === undefined)
      return 'what is added to MatMul is not one per column';
    if (soleConsumer(index, add.outputs[0]!) === undefined) return 'the output of Add is read elsewhere too';
    return { ...inner, bias, add: { node: add, at: 1 - at } };
  }
  return undefined;
}

/**
 * A constant that broadcasts over an output as one number per channel, given channel by channel. `fromEnd` says where the
 * channels are; undefined: the tensor is the vector itself. Undefined where it varies along any other axis.
 */
export function spread(
  tensor: Tensor,
  channels: number,
  fromEnd: number | undefined,
): Float64Array | undefined {
  const values = float32Of(tensor);
  if (values === undefined) return undefined;
  if (values.length === 1) return new Float64Array(channels).fill(values[0]!);
  const axis = tensor.dims.length - 1 - (fromEnd ?? 0);
  if (axis < 0 || values.length !== channels || tensor.dims[axis] !== channels) return undefined;
  return Float64Array.from(values);
}

/** Puts the affine map into the weights and the bias of the operator. A MatMul without Add must have shift 0. */
export function absorb(
  graph: Graph,
  linear: Linear,
  { scale, shift }: Affine,
  fresh: (stem: string) => string,
): void {
  const { node, weight, channels } = linear;
  if (scale.some((factor) => factor !== 1)) {
    setWeight(graph, node, scaled(node, weight, scale), fresh);
  }
  const beta = node.op === 'Gemm' ? floatOf(node, 'beta', 1) : 1;
  const bias = Float32Array.from(
    { length: channels },
    (_, c) => (linear.bias?.[c] ?? 0) * beta * scale[c]! + shift[c]!,
  );
  if (linear.bias === undefined && bias.every((value) => value === 0)) return;
  const place = linear.add ?? { node, at: 2 };
  const name = fresh(`${place.node.inputs[place.at] || `${node.inputs[1]}_bias`}_folded`);
  graph.initializers.set(name, Tensor.float32([channels], bias));
  place.node.inputs[place.at] = name;
  if (node.op === 'Gemm') node.attributes.delete('beta');
}

function setWeight(graph: Graph, node: Node, weight: Tensor, fresh: (stem: string) => string): void {
  const name = fresh(`${node.inputs[1]}_folded`);
  graph.initializers.set(name, weight);
  node.inputs[1] = name;
}

/** The weight with each output channel multiplied; computed in doubles, rounded once. */
function scaled(node: Node, weight: Tensor, scale: Float64Array): Tensor {
  const values = weight.as('float32');
  const result = new Float32Array(values.length);
  const [first, second] = [weight.dims[0]!, weight.dims[1]!];
  const inner = values.length / (first * second);
  const perGroup = first / intOf(node, 'group', 1);
  const byFirst = node.op === 'Conv' || (node.op === 'Gemm' && intOf(node, 'transB', 0) === 1);
  for (let i = 0, at = 0; i < first; i++) {
    for (let j = 0; j < second; j++) {
      const channel = byFirst ? i : node.op === 'ConvTranspose' ? Math.floor(i / perGroup) * second + j : j;
      for (let k = 0; k < inner; k++, at++) result[at] = values[at]! * scale[channel]!;
    }
  }
  return Tensor.float32(weight.dims, result);
}

/** The index anew, after an edit. */
export const reindex = (graph: Graph): GraphIndex => indexGraph(graph);
