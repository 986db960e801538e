import {
  constantOf,
  type DType,
  indexGraph,
  type Model,
  makeGraph,
  type Node,
  readsOf,
  type Shape,
  type Tensor,
  tensorType,
  type ValueInfo,
} from '../graph/index.ts';

/** The part of a model that some of its nodes can change. */
export interface Suffix {
  readonly model: Model;
  /** Values of the whole model that it takes: inputs, and what other nodes make. */
  readonly inputs: readonly string[];
  /** Outputs of the whole model that it gives; the others do not depend on those nodes. */
  readonly outputs: readonly string[];
}

/** What is known of a value before the model runs. */
export interface KnownTypes {
  shape(name: string): Shape;
  dtype(name: string): DType | undefined;
}

/**
 * Cuts off all that comes before or beside the named nodes of the main graph: to see what a change of them does, only this has
 * to run. Undefined where the type of a value at the cut is not known, or where no output depends on the nodes. The input is left alone.
 */
export function suffixOf(model: Model, names: readonly string[], types: KnownTypes): Suffix | undefined {
  const { graph } = model;
  const index = indexGraph(graph);
  const wanted = new Set(names);
  const behind: Node[] = [];
  const made = new Set<string>();
  for (const node of graph.nodes) {
    if (!wanted.has(node.name) && ![...readsOf(node)].some((name) => made.has(name))) continue;
    behind.push(node);
    for (const name of node.outputs) if (name !== '') made.add(name);
  }
  const initializers = new Map<string, Tensor>();
  const inputs: ValueInfo[] = [];
  const seen = new Set<string>();
  for (const node of behind) {
    for (const name of readsOf(node)) {
      if (made.has(name) || seen.has(name)) continue;
      seen.add(name);
      // A default that a caller may replace counts as what it is: nobody replaces it here.
      const constant = constantOf(graph, name, index) ?? graph.initializers.get(name);
      if (constant !== undefined) {
        initializers.set(name, constant);
        continue;
      }
      const dtype = types.dtype(name);
      if (dtype === undefined) return undefined;
      inputs.push({ name, type: tensorType(dtype, types.shape(name)) });
    }
  }
  const outputs = graph.outputs.filter(({ name }) => made.has(name));
  if (outputs.length === 0 || graph.sparseInitializers.some(({ name }) => seen.has(name))) return undefined;
  const values = new Map([...graph.values].filter(([name]) => made.has(name)));
  return {
    model: {
      ...model,
      graph: makeGraph({ name: graph.name, inputs, outputs, nodes: behind, initializers, values }),
    },
    inputs: inputs.map(({ name }) => name),
    outputs: outputs.map(({ name }) => name),
  };
}
