import {
  constantOf,
  type Graph,
  type Model,
  type Node,
  subgraphsOf,
  type Tensor,
} from '../../graph/index.ts';

/** A graph with those around it: a branch of an If may read the weights of the model. */
export interface Scope {
  readonly graph: Graph;
  readonly outer: Scope | undefined;
}

/** The main graph and all nested ones, outer ones first. */
export function* scopesOf(model: Model): Generator<Scope> {
  yield* nested({ graph: model.graph, outer: undefined });
}

function* nested(scope: Scope): Generator<Scope> {
  yield scope;
  for (const node of scope.graph.nodes) {
    for (const graph of subgraphsOf(node)) yield* nested({ graph, outer: scope });
  }
}

/** The constant of a name as seen from inside of a scope. */
export function constantIn(scope: Scope, name: string): Tensor | undefined {
  for (let at: Scope | undefined = scope; at !== undefined; at = at.outer) {
    const found = constantOf(at.graph, name);
    if (found !== undefined) return found;
    if (defines(at.graph, name)) return undefined;
  }
  return undefined;
}

function defines(graph: Graph, name: string): boolean {
  return (
    graph.inputs.some((input) => input.name === name) ||
    graph.nodes.some((node: Node) => node.outputs.includes(name))
  );
}
