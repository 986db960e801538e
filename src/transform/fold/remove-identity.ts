import {
  bypass,
  constantOf,
  type Graph,
  type GraphIndex,
  indexGraph,
  intOf,
  intsOf,
  isFloat,
  type Model,
  type Node,
  type Tensor,
  walkGraphs,
} from '../../graph/index.ts';
import { EXACT, rewriting } from '../rewriting.ts';
import { type Types, typesOf } from '../types.ts';
import { padsOf } from './pad.ts';

/** Where a node that does nothing stands: what it knows of its surroundings. */
interface Site {
  readonly node: Node;
  readonly graph: Graph;
  readonly index: GraphIndex;
  readonly types: Types;
  readonly opset: number;
}

/** Number of the input that the node gives back as it is, or undefined. */
type NoOp = (site: Site) => number | undefined;

const first = (yes: boolean) => (yes ? 0 : undefined);

/** When an operator does nothing, a row per operator. */
const NO_OPS: Readonly<Record<string, NoOp>> = {
  Identity: () => 0,
  Dropout: (site) => first(dropsNothing(site)),
  Cast: ({ node, types }) => {
    const [from, to] = [types.dtype(node.inputs[0]!), types.dtype(node.outputs[0]!)];
    return first(from !== undefined && from === to);
  },
  Transpose: ({ node }) => first(intsOf(node, 'perm')?.every((axis, i) => axis === i) ?? false),
  Reshape: sameShape,
  Expand: sameShape,
  Flatten: sameShape,
  Squeeze: sameShape,
  Tile: sameShape,
  // A step backwards keeps the shape and turns the values around.
  Slice: (site) => (steps(site).every((step) => step > 0) ? sameShape(site) : undefined),
  Pad: ({ graph, index, node }) => first(padsOf(graph, index, node)?.every((size) => size === 0) ?? false),
  Concat: ({ node }) => first(node.inputs.length === 1),
  Sum: ({ node }) => first(node.inputs.length === 1),
  Mean: ({ node }) => first(node.inputs.length === 1),
  Max: ({ node }) => first(node.inputs.length === 1),
  Min: ({ node }) => first(node.inputs.length === 1),
  Add: (site) => neutral(site, 0, true),
  Sub: (site) => neutral(site, 0, false),
  Mul: (site) => neutral(site, 1, true),
  Div: (site) => neutral(site, 1, false),
};

/** Operators that give back an input as it is are taken out (but for the sign of a zero that 0 is added to). */
export const removeIdentity = rewriting({
  name: 'remove-identity',
  summary: 'operators that do nothing go: Identity, Dropout, Mul by 1, Reshape to the same shape, ...',
  defaults: {},
  error: EXACT,
  rewrite(model, notes) {
    let modified = false;
    const types = typesOf(model);
    for (const graph of walkGraphs(model.graph)) {
      for (const node of [...graph.nodes]) {
        const rule = node.domain === '' && Object.hasOwn(NO_OPS, node.op) ? NO_OPS[node.op] : undefined;
        if (rule === undefined) continue;
        const index = indexGraph(graph);
        const at = rule({ node, graph, index, types, opset: opsetOf(model) });
        const source = at === undefined ? '' : (node.inputs[at] ?? '');
        if (source === '' || node.outputs[0] === '') continue;
        if (!removable(graph, index, node, source)) continue;
        bypass(graph, node, source);
        notes.changed(node, 'it did nothing');
        modified = true;
      }
    }
    return modified;
  },
});

const opsetOf = (model: Model) => model.opsets.get('') ?? 1;

/** An output of the graph keeps its name: its maker can only go where the maker of the source can take the name over. */
function removable(graph: Graph, index: GraphIndex, node: Node, source: string): boolean {
  const others = node.outputs.slice(1).some((name) => index.consumers.has(name) || index.outputs.has(name));
  if (others) return false;
  if (!index.outputs.has(node.outputs[0]!)) return true;
  const own = index.producers.get(source);
  return own !== undefined && graph.nodes.includes(own) && !index.outputs.has(source);
}

function dropsNothing({ node, graph, index, opset }: Site): boolean {
  if ((node.inputs[2] ?? '') !== '') {
    const training = constantOf(graph, node.inputs[2]!, index);
    if (training?.dtype !== 'bool' || training.bytes()[0] !== 0) return false;
  }
  return opset >= 7 || intOf(node, 'is_test', 0) === 1;
}

function sameShape({ node, types }: Site): number | undefined {
  const [before, after] = [types.shape(node.inputs[0]!), types.shape(node.outputs[0] ?? '')];
  if (before === undefined || after === undefined || before.length !== after.length) return undefined;
  // Equal symbols are equal sizes; an unknown size equals nothing.
  return first(before.every((dim, i) => dim !== null && dim === after[i]));
}

function steps({ node, graph, index }: Site): number[] {
  const given = node.inputs[4] ?? '';
  if (given === '') return [];
  return constantOf(graph, given, index)?.numbers() ?? [-1];
}

function neutral(site: Site, value: number, commutes: boolean): number | undefined {
  const { node, graph, index, opset } = site;
  if (opset < 7) return undefined;
  for (const at of commutes ? [0, 1] : [0]) {
    const constant = constantOf(graph, node.inputs[1 - at] ?? '', index);
    if (constant !== undefined && holdsOnly(constant, value) && keepsShape(site, at, constant)) return at;
  }
  return undefined;
}

function holdsOnly(tensor: Tensor, value: number): boolean {
  if (tensor.size > 65536 || tensor.size === 0) return false;
  const plain = tensor.dtype === 'float32' || tensor.dtype === 'float64' || !isFloat(tensor.dtype);
  if (!plain || tensor.dtype === 'string' || tensor.dtype.includes('int4') || tensor.dtype.includes('int2'))
    return false;
  return tensor.numbers().every((element) => element === value);
}

/** True where broadcasting with the constant leaves the shape of input `at` as it is. */
function keepsShape({ node, types }: Site, at: number, constant: Tensor): boolean {
  if (constant.dims.length === 0) return true;
  const shape = types.shape(node.inputs[at]!);
  if (shape === undefined || shape.length < constant.dims.length) return false;
  const offset = shape.length - constant.dims.length;
  return constant.dims.every((dim, i) => dim === 1 || dim === shape[offset + i]);
}
