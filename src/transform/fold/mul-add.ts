import {
  bypass,
  constantOf,
  type Graph,
  indexGraph,
  type Node,
  namer,
  walkGraphs,
} from '../../graph/index.ts';
import { REASSOCIATED, rewriting } from '../rewriting.ts';
import { type Affine, absorb, linearBehind, spread } from './affine.ts';

const KINDS: ReadonlySet<string> = new Set(['Mul', 'Add', 'Sub', 'Div']);

/**
 * Mul, Add, Sub and Div by a constant per channel go into the weights of the layer before them: biases written as an Add,
 * and batch normalizations that an exporter took apart.
 */
export const foldMulAdd = rewriting({
  name: 'fold-mul-add',
  summary: 'Mul, Add, Sub and Div by a constant per channel go into the weights of the layer before them',
  defaults: {},
  error: REASSOCIATED,
  rewrite({ graph: outer, opsets }, notes) {
    // Before opset 7 these operators broadcast by an attribute; upgrade-opset comes first.
    if ((opsets.get('') ?? 1) < 7) return false;
    const fresh = namer(outer);
    let modified = false;
    for (const graph of walkGraphs(outer)) {
      for (const node of graph.nodes.filter((one) => one.domain === '' && KINDS.has(one.op))) {
        const done = foldOne(graph, node, fresh);
        if (done === undefined) continue;
        if (done === '') {
          notes.changed(node, 'folded into the layer before it');
          modified = true;
        } else notes.refused(node, done);
      }
    }
    return modified;
  },
});

/** '' where it was folded, why not where a layer stands before it, undefined where it is none of our business. */
function foldOne(graph: Graph, node: Node, fresh: (stem: string) => string): string | undefined {
  const index = indexGraph(graph);
  for (const at of [0, 1]) {
    const constant = constantOf(graph, node.inputs[1 - at] ?? '', index);
    if (constant === undefined || constant.dtype !== 'float32') continue;
    if (at === 1 && node.op === 'Div') return undefined;
    const source = node.inputs[at]!;
    const linear = linearBehind(graph, index, source);
    if (linear === undefined || typeof linear === 'string') return linear;
    // The plain MatMul + Add is what an Add after a MatMul should look like already.
    const bare = linear.node.op === 'MatMul' && linear.add === undefined;
    if (bare && (node.op === 'Add' || node.op === 'Sub')) return undefined;
    const rank = linear.rank ?? 1;
    if (constant.dims.length > rank) return 'the constant has more dimensions than the output of the layer';
    const values = spread(constant, linear.channels, linear.fromEnd);
    if (values === undefined) return 'the constant is not one number per channel';
    const affine = affineOf(node.op, at, values);
    if (!affine.scale.every(Number.isFinite) || !affine.shift.every(Number.isFinite))
      return 'the constant is not finite';
    absorb(graph, linear, affine, fresh);
    bypass(graph, node, source);
    return '';
  }
  return undefined;
}

function affineOf(op: string, at: number, values: Float64Array): Affine {
  const ones = () => new Float64Array(values.length).fill(1);
  const zeros = () => new Float64Array(values.length);
  switch (op) {
    case 'Mul':
      return { scale: values, shift: zeros() };
    case 'Div':
      return { scale: values.map((value) => 1 / value), shift: zeros() };
    case 'Add':
      return { scale: ones(), shift: values };
    default:
      // x - c, or c - x.
      return at === 0
        ? { scale: ones(), shift: values.map((value) => -value) }
        : { scale: ones().fill(-1), shift: values };
  }
}
