import type { FunctionDef, Graph, Model, Node } from '../model.ts';
import { labelOf } from '../scope.ts';

/** A graph, a nested graph or a function body: a region in which names are defined and read. */
export interface Scope {
  readonly path: string;
  readonly graph?: Graph;
  readonly fn?: FunctionDef;
  readonly nodes: readonly Node[];
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** The opsets in force. */
  readonly opsets: ReadonlyMap<string, number>;
  /** Where each name is first defined: the position of its node; -1 for inputs and initializers. */
  readonly definedAt: ReadonlyMap<string, number>;
  /** The scope around, and the position there of the node that this graph belongs to. */
  readonly outer?: { readonly scope: Scope; readonly at: number };
}

/** All scopes of a model: the graph, what is nested in it, then the functions. */
export function* scopesOf(model: Model): Generator<Scope> {
  yield* graphScopes(model.graph, 'graph', model.opsets);
  for (const fn of model.functions) {
    const path = `function ${fn.domain}.${fn.name}`;
    const definedAt = places(fn.inputs, fn.nodes);
    const scope = { path, fn, nodes: fn.nodes, inputs: fn.inputs, outputs: fn.outputs, opsets: fn.opsets };
    yield* withNested({ ...scope, definedAt });
  }
}

function* graphScopes(
  graph: Graph,
  path: string,
  opsets: ReadonlyMap<string, number>,
  outer?: Scope['outer'],
): Generator<Scope> {
  const inputs = graph.inputs.map((input) => input.name);
  const before = [
    ...inputs,
    ...graph.initializers.keys(),
    ...graph.sparseInitializers.map(({ name }) => name),
  ];
  yield* withNested({
    path,
    graph,
    nodes: graph.nodes,
    inputs,
    outputs: graph.outputs.map((output) => output.name),
    opsets,
    definedAt: places(before, graph.nodes),
    outer,
  });
}

function* withNested(scope: Scope): Generator<Scope> {
  yield scope;
  for (const [at, node] of scope.nodes.entries()) {
    for (const [name, attribute] of node.attributes) {
      const path = `${scope.path}/${labelOf(node)}.${name}`;
      if (attribute.type === 'graph') yield* graphScopes(attribute.value, path, scope.opsets, { scope, at });
      else if (attribute.type === 'graphs') {
        for (const [i, graph] of attribute.value.entries()) {
          yield* graphScopes(graph, `${path}[${i}]`, scope.opsets, { scope, at });
        }
      }
    }
  }
}

function places(before: Iterable<string>, nodes: readonly Node[]): Map<string, number> {
  const definedAt = new Map<string, number>();
  for (const name of before) definedAt.set(name, -1);
  for (const [at, node] of nodes.entries()) {
    for (const name of node.outputs) if (name !== '' && !definedAt.has(name)) definedAt.set(name, at);
  }
  return definedAt;
}

/** True where a reader at position `at` of the scope can see the name. */
export function isVisible(scope: Scope, name: string, at: number): boolean {
  const defined = scope.definedAt.get(name);
  if (defined !== undefined && defined < at) return true;
  return scope.outer !== undefined && isVisible(scope.outer.scope, name, scope.outer.at);
}
