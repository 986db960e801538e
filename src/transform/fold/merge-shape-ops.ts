import {
  attr,
  constantOf,
  type Graph,
  type GraphIndex,
  indexGraph,
  intOf,
  intsOf,
  type Node,
  walkGraphs,
} from '../../graph/index.ts';
import { EXACT, rewriting } from '../rewriting.ts';

const VIEWS: ReadonlySet<string> = new Set(['Reshape', 'Squeeze', 'Unsqueeze', 'Flatten', 'Identity']);

/**
 * A Reshape of a view of x is a Reshape of x, two Transposes are one, and a Squeeze takes back the Unsqueeze before it. The
 * first of the two stays where something else reads it.
 */
export const mergeShapeOps = rewriting({
  name: 'merge-shape-ops',
  summary: 'consecutive Transpose, Reshape, Squeeze and Unsqueeze become one',
  defaults: {},
  error: EXACT,
  rewrite({ graph: outer }, notes) {
    let modified = false;
    for (const graph of walkGraphs(outer)) {
      for (let again = true; again; ) {
        again = false;
        const index = indexGraph(graph);
        for (const node of graph.nodes) {
          const before = index.producers.get(node.inputs[0] ?? '');
          if (before === undefined || before.domain !== '' || node.domain !== '') continue;
          const why = merge(graph, index, before, node);
          if (why === undefined) continue;
          notes.changed(node, why);
          again = modified = true;
          break;
        }
      }
    }
    return modified;
  },
});

/** Lets `node` read what `before` reads, where one node can do the work of both; says how. */
function merge(graph: Graph, index: GraphIndex, before: Node, node: Node): string | undefined {
  const source = before.inputs[0]!;
  if (node.op === 'Transpose' && before.op === 'Transpose') {
    const [first, second] = [intsOf(before, 'perm'), intsOf(node, 'perm')];
    // Without perm a Transpose turns the axes around; twice so is the order of before.
    if ((first === undefined) !== (second === undefined)) return undefined;
    const rank = first?.length;
    if (rank === undefined || second === undefined) return undefined;
    node.attributes.set('perm', attr.ints(second.map((axis) => first![axis]!)));
    node.inputs[0] = source;
    return `takes in the Transpose ${before.name}`;
  }
  const inverse = INVERSES.get(node.op);
  if (inverse !== undefined && before.op === inverse) {
    const [first, second] = [axesOf(graph, index, before), axesOf(graph, index, node)];
    if (first === undefined || first !== second) return undefined;
    node.op = 'Identity';
    node.inputs = [source];
    node.attributes.clear();
    return `takes back the ${before.op} ${before.name}`;
  }
  if (node.op === 'Reshape' && VIEWS.has(before.op)) {
    const target = constantOf(graph, node.inputs[1] ?? '', index)?.numbers();
    // A 0 copies a dimension of what is reshaped, and that changes.
    if (target === undefined || (target.includes(0) && intOf(node, 'allowzero', 0) === 0)) return undefined;
    node.inputs[0] = source;
    return `takes in the ${before.op} ${before.name}`;
  }
  return undefined;
}

/** Both name axes of the larger shape, so equal lists mean the same axes. */
const INVERSES: ReadonlyMap<string, string> = new Map([
  ['Squeeze', 'Unsqueeze'],
  ['Unsqueeze', 'Squeeze'],
]);

function axesOf(graph: Graph, index: GraphIndex, node: Node): string | undefined {
  const axes = intsOf(node, 'axes') ?? constantOf(graph, node.inputs[1] ?? '', index)?.numbers();
  return axes?.sort((a, b) => a - b).join();
}
