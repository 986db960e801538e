import {
  constantOf,
  floatOf,
  type Graph,
  type GraphIndex,
  indexGraph,
  intOf,
  type Model,
  type Node,
  soleConsumer,
  stringOf,
  type Tensor,
} from '../../graph/index.ts';
import { integerOp, type OpRow } from './ops.ts';

/** A constant weight of a site. */
export interface SiteWeight {
  readonly input: number;
  readonly value: string;
  readonly tensor: Tensor;
  /** Axis of the output channels; undefined where one scale must do. */
  readonly axis: number | undefined;
}

/** A constant bias: of the node itself, or of the Add behind a MatMul. */
export interface SiteBias {
  readonly node: Node;
  readonly input: number;
  readonly value: string;
  readonly tensor: Tensor;
}

/** What a Clip or Relu behind a site promises of its output. */
export interface Bounds {
  readonly low: number;
  readonly high: number;
}

/**
 * A place that can run on integers: the node with what the runtime fuses into it (the Add of a bias, a Relu or Clip), and what
 * would have to be quantized around it.
 */
export interface Site {
  readonly node: Node;
  readonly row: OpRow;
  /** Inputs that come from other nodes or from the caller. */
  readonly activations: readonly { readonly input: number; readonly value: string }[];
  readonly weight: SiteWeight | undefined;
  readonly bias: SiteBias | undefined;
  /** Constants in the place of an activation (Add, Mul, Concat). */
  readonly constants: readonly { readonly input: number; readonly value: string; readonly tensor: Tensor }[];
  /** Nodes behind it that belong to it, in order. */
  readonly tail: readonly Node[];
  /** Outputs behind the tail. */
  readonly outputs: readonly string[];
  /** Of a Relu or Clip in the tail. */
  readonly bounds: Bounds | undefined;
}

/** A node that looks quantizable and is not, with the rule that it breaks. */
export interface Refusal {
  readonly node: Node;
  readonly why: string;
}

export interface Sites {
  readonly index: GraphIndex;
  /** In graph order. */
  readonly sites: readonly Site[];
  readonly refused: readonly Refusal[];
}

/** Finds the places of the main graph that static quantization can run on integers. */
export function findSites(model: Model): Sites {
  const { graph } = model;
  const index = indexGraph(graph);
  const opset = model.opsets.get('') ?? 1;
  const sites: Site[] = [];
  const refused: Refusal[] = [];
  for (const node of graph.nodes) {
    const row = integerOp(node.op, node.domain);
    if (row === undefined) continue;
    const found = siteOf(node, row, graph, index, opset);
    if (typeof found !== 'string') sites.push(found);
    else if (row.kind === 'compute') refused.push({ node, why: found });
  }
  return { index, sites, refused };
}

function siteOf(node: Node, row: OpRow, graph: Graph, index: GraphIndex, opset: number): Site | string {
  if (row.since !== undefined && opset < row.since) return `its integer kernel came with opset ${row.since}`;
  const wrong = attributeProblem(node);
  if (wrong !== undefined) return wrong;
  const activations: { input: number; value: string }[] = [];
  const constants: { input: number; value: string; tensor: Tensor }[] = [];
  const slots = row.data === 'all' ? node.inputs.keys() : row.data;
  for (const input of slots) {
    const value = node.inputs[input];
    if (value === undefined || value === '') return `input ${input} is absent`;
    const tensor = constantOf(graph, value, index);
    if (tensor === undefined) activations.push({ input, value });
    else if (tensor.dtype !== 'float32') return `input ${input} is ${tensor.dtype}, not float32`;
    else constants.push({ input, value, tensor });
  }
  if (activations.length === 0) return 'all its inputs are constant';
  const weight = weightOf(node, graph, index);
  if (typeof weight === 'string') return weight;
  const ownBias = ownBiasOf(node, graph, index);
  if (typeof ownBias === 'string') return ownBias;
  const tail: Node[] = [];
  const bias = ownBias ?? addedBias(node, weight, graph, index, tail);
  const bounds = row.kind === 'carrier' ? undefined : activationTail(node, graph, index, tail);
  const outputs = (tail.at(-1) ?? node).outputs.filter((name) => name !== '');
  const rest = constants.filter(({ input }) => input !== weight?.input);
  return { node, row, activations, weight, bias, constants: rest, tail, outputs, bounds };
}

function attributeProblem(node: Node): string | undefined {
  switch (node.op) {
    case 'Gemm':
      if (intOf(node, 'transA', 0) !== 0) return 'transA is not fused';
      if (floatOf(node, 'alpha', 1) !== 1) return 'alpha is not 1: the runtime does not fuse it';
      if (node.inputs[2] && floatOf(node, 'beta', 1) !== 1)
        return 'beta is not 1: the runtime does not fuse it';
      return undefined;
    case 'MaxPool':
      return node.outputs.length > 1 && node.outputs[1] !== '' ? 'its indices are read' : undefined;
    case 'Resize':
      return stringOf(node, 'mode', 'nearest') === 'nearest' ? undefined : 'only nearest runs on integers';
    default:
      return undefined;
  }
}

function weightOf(node: Node, graph: Graph, index: GraphIndex): SiteWeight | string | undefined {
  if (!['Conv', 'Gemm', 'MatMul'].includes(node.op)) return undefined;
  const value = node.inputs[1] ?? '';
  const tensor = constantOf(graph, value, index);
  if (tensor === undefined) {
    return node.op === 'MatMul' ? undefined : 'its weight is not constant';
  }
  if (tensor.dtype !== 'float32') return `its weight is ${tensor.dtype}, not float32`;
  if (tensor.size === 0) return 'its weight is empty';
  const rank = tensor.dims.length;
  if (node.op === 'Conv') return { input: 1, value, tensor, axis: 0 };
  if (node.op === 'Gemm') return { input: 1, value, tensor, axis: intOf(node, 'transB', 0) !== 0 ? 0 : 1 };
  // The axis must be the last: any other fuses as well and answers nonsense. Above rank 2 one scale must do.
  if (rank < 2) return 'its weight is a vector';
  return { input: 1, value, tensor, axis: rank === 2 ? 1 : undefined };
}

function ownBiasOf(node: Node, graph: Graph, index: GraphIndex): SiteBias | string | undefined {
  if ((node.op !== 'Conv' && node.op !== 'Gemm') || !node.inputs[2]) return undefined;
  const value = node.inputs[2];
  const tensor = constantOf(graph, value, index);
  if (tensor === undefined) return 'its bias is not constant';
  if (tensor.dtype !== 'float32') return `its bias is ${tensor.dtype}, not float32`;
  const channels = channelsOf(node, graph, index);
  if (channels === undefined || !isRow(tensor, channels))
    return `its bias is [${tensor.dims}], not one a channel`;
  return { node, input: 2, value, tensor };
}

function channelsOf(node: Node, graph: Graph, index: GraphIndex): number | undefined {
  const weight = constantOf(graph, node.inputs[1] ?? '', index);
  if (weight === undefined) return undefined;
  return node.op === 'Conv' || intOf(node, 'transB', 0) !== 0 ? weight.dims[0] : weight.dims.at(-1);
}

function isRow(tensor: Tensor, length: number): boolean {
  return tensor.size === length && tensor.dims.at(-1) === length;
}

/** MatMul and Add of a constant row: the runtime makes a Gemm of them. */
function addedBias(
  node: Node,
  weight: SiteWeight | undefined,
  graph: Graph,
  index: GraphIndex,
  tail: Node[],
): SiteBias | undefined {
  if (node.op !== 'MatMul' || weight === undefined || weight.tensor.dims.length !== 2) return undefined;
  const add = soleConsumer(index, node.outputs[0]!);
  if (add?.op !== 'Add' || add.domain !== '') return undefined;
  const input = add.inputs[0] === node.outputs[0] ? 1 : 0;
  const value = add.inputs[input]!;
  const tensor = constantOf(graph, value, index);
  // [1, N] as well: the answer of a MatMul with a matrix is never a lone vector but for a vector in front.
  if (tensor?.dtype !== 'float32' || tensor.dims.length > 2 || !isRow(tensor, weight.tensor.dims[1]!)) {
    return undefined;
  }
  tail.push(add);
  return { node: add, input, value, tensor };
}

/** A Relu, or a Clip with constant ends around 0, that alone reads the site's output. */
function activationTail(node: Node, graph: Graph, index: GraphIndex, tail: Node[]): Bounds | undefined {
  const raw = (tail.at(-1) ?? node).outputs[0]!;
  const next = soleConsumer(index, raw);
  if (next === undefined || next.domain !== '') return undefined;
  const bounds = boundsOf(next, graph, index);
  if (bounds !== undefined) tail.push(next);
  return bounds;
}

/** The ends that a Relu or Clip cuts to, where both are constant and hold 0. */
export function boundsOf(node: Node, graph: Graph, index: GraphIndex): Bounds | undefined {
  if (node.op === 'Relu') return { low: 0, high: Number.POSITIVE_INFINITY };
  if (node.op !== 'Clip') return undefined;
  const low = clipEnd(node, 1, Number.NEGATIVE_INFINITY, graph, index);
  const high = clipEnd(node, 2, Number.POSITIVE_INFINITY, graph, index);
  if (low === undefined || high === undefined || low > 0 || high <= 0) return undefined;
  return { low, high };
}

function clipEnd(
  node: Node,
  input: number,
  absent: number,
  graph: Graph,
  index: GraphIndex,
): number | undefined {
  const old = floatOf(node, input === 1 ? 'min' : 'max');
  if (old !== undefined) return old;
  const value = node.inputs[input];
  if (value === undefined || value === '') return absent;
  const tensor = constantOf(graph, value, index);
  return tensor?.dtype === 'float32' && tensor.size === 1 ? tensor.numbers()[0] : undefined;
}
