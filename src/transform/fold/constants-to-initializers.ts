import { indexGraph, removeNodes, valueOfConstant, walkGraphs } from '../../graph/index.ts';
import { EXACT, rewriting } from '../rewriting.ts';

/** Constant nodes become initializers of the same name: one way to hold a weight, for all passes after this one. */
export const constantsToInitializers = rewriting({
  name: 'constants-to-initializers',
  summary: 'Constant nodes become initializers',
  defaults: {},
  error: EXACT,
  rewrite({ graph: outer }) {
    let modified = false;
    for (const graph of walkGraphs(outer)) {
      const outputs = indexGraph(graph).outputs;
      const gone = graph.nodes.filter((node) => {
        const value = valueOfConstant(node);
        const name = node.outputs[0]!;
        // An output that is an initializer is allowed, but not every runtime likes it; it stays a node.
        if (value === undefined || outputs.has(name)) return false;
        graph.initializers.set(name, value);
        return true;
      });
      removeNodes(graph, gone);
      modified ||= gone.length > 0;
    }
    return modified;
  },
});
