import type { Attribute, FunctionDef, Graph, Model, Node } from './model.ts';
import { makeGraph } from './model.ts';

/** Model-local functions by what a node must say to call them. */
export function functionsOf(model: Model): Map<string, FunctionDef> {
  return new Map(
    model.functions.map((fn) => [functionKey({ domain: fn.domain, op: fn.name, overload: fn.overload }), fn]),
  );
}

export function functionKey(node: Pick<Node, 'domain' | 'op' | 'overload'>): string {
  return `${node.domain}:${node.op}:${node.overload ?? ''}`;
}

/** The body of a function as the graph that this call runs: attribute references are replaced by the caller's values. */
export function bodyOf(fn: FunctionDef, call: Node): Graph {
  const given = (name: string) => call.attributes.get(name) ?? fn.defaults.get(name);
  const port = (name: string) => ({ name, type: { kind: 'unknown' } as const });
  return makeGraph({
    name: fn.name,
    inputs: fn.inputs.map(port),
    outputs: fn.outputs.map(port),
    nodes: fn.nodes.map((node) => settled(node, given)),
  });
}

type Given = (name: string) => Attribute | undefined;

function settled(node: Node, given: Given): Node {
  const attributes = new Map<string, Attribute>();
  for (const [name, attribute] of node.attributes) {
    if (attribute.type === 'reference') {
      const value = given(attribute.value);
      if (value !== undefined) attributes.set(name, value);
    } else if (attribute.type === 'graph') {
      attributes.set(name, { type: 'graph', value: settledGraph(attribute.value, given) });
    } else attributes.set(name, attribute);
  }
  return { ...node, attributes };
}

function settledGraph(graph: Graph, given: Given): Graph {
  return { ...graph, nodes: graph.nodes.map((node) => settled(node, given)) };
}
