import { definedNames, type Graph, type Node, subgraphsOf } from '../graph/index.ts';

/** Gives out names that nobody bears yet: the one asked for where it is free. */
export class Names {
  readonly #taken: Set<string>;

  constructor(taken: Iterable<string>) {
    this.#taken = new Set(taken);
  }

  fresh(stem: string): string {
    let name = stem;
    for (let n = 1; name === '' || this.#taken.has(name); n++) name = `${stem}_${n}`;
    this.#taken.add(name);
    return name;
  }
}

/**
 * Renames in place all that a graph and its nested graphs define, where the name is taken; inputs of the graph that stand in `outer`, and
 * all else that is read from around, become what `outer` says. So graphs from anywhere can be put into one. Returns the new names by the
 * old ones.
 */
export function renameGraph(
  graph: Graph,
  outer: ReadonlyMap<string, string>,
  names: Names,
): ReadonlyMap<string, string> {
  const stand = new Set(graph.inputs.flatMap(({ name }) => (outer.has(name) ? [name] : [])));
  return rename(graph, outer, names, stand);
}

function rename(
  graph: Graph,
  outer: ReadonlyMap<string, string>,
  names: Names,
  stand: ReadonlySet<string>,
): ReadonlyMap<string, string> {
  const map = new Map(outer);
  for (const name of definedNames(graph)) if (!stand.has(name)) map.set(name, names.fresh(name));
  const of = (name: string): string => (name === '' ? '' : (map.get(name) ?? name));
  for (const node of graph.nodes) renameNode(node, map, of, names);
  graph.inputs = graph.inputs.map((info) => ({ ...info, name: of(info.name) }));
  graph.outputs = graph.outputs.map((info) => ({ ...info, name: of(info.name) }));
  graph.initializers = renamed(graph.initializers, of);
  graph.sparseInitializers = graph.sparseInitializers.map((sparse) => ({ ...sparse, name: of(sparse.name) }));
  graph.values = new Map([...graph.values].map(([name, info]) => [of(name), { ...info, name: of(name) }]));
  if (graph.quantization !== undefined) {
    // The roles name parameter tensors, which are values too.
    graph.quantization = renamed(
      new Map(
        [...graph.quantization].map(([name, roles]) => [
          name,
          new Map([...roles].map(([role, at]) => [role, of(at)])),
        ]),
      ),
      of,
    );
  }
  if (graph.initializerMetadata !== undefined)
    graph.initializerMetadata = renamed(graph.initializerMetadata, of);
  return map;
}

const NONE: ReadonlySet<string> = new Set();

function renameNode(
  node: Node,
  map: ReadonlyMap<string, string>,
  of: (name: string) => string,
  names: Names,
): void {
  for (const inner of subgraphsOf(node)) rename(inner, map, names, NONE);
  node.inputs = node.inputs.map(of);
  node.outputs = node.outputs.map(of);
}

function renamed<T>(values: ReadonlyMap<string, T>, of: (name: string) => string): Map<string, T> {
  return new Map([...values].map(([name, value]) => [of(name), value]));
}
