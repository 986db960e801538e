import { fail } from '../base/index.ts';
import { type Graph, type Node, subgraphsOf } from './model.ts';

/** Who makes and who reads each value of one graph. A snapshot: make a new one after an edit. */
export interface GraphIndex {
  /** The node that makes a value. Inputs and initializers have none. */
  readonly producers: ReadonlyMap<string, Node>;
  /** The nodes of this graph that read a value, each once, in graph order; also those whose nested graphs read it. */
  readonly consumers: ReadonlyMap<string, readonly Node[]>;
  /** Values that nested graphs read: their readers cannot be rewired by a look at `node.inputs` alone. */
  readonly captured: ReadonlySet<string>;
  /** Names of the graph's outputs. */
  readonly outputs: ReadonlySet<string>;
}

/** Makers and readers of the values of `graph` (its own scope; nested graphs count as part of their node). */
export function indexGraph(graph: Graph): GraphIndex {
  const producers = new Map<string, Node>();
  const consumers = new Map<string, Node[]>();
  const captured = new Set<string>();
  for (const node of graph.nodes) {
    for (const name of node.outputs) if (name !== '') producers.set(name, node);
    for (const name of capturesOf(node)) captured.add(name);
    for (const name of readsOf(node)) {
      const readers = consumers.get(name);
      if (readers === undefined) consumers.set(name, [node]);
      else readers.push(node);
    }
  }
  return { producers, consumers, captured, outputs: new Set(graph.outputs.map((output) => output.name)) };
}

/** The only reader of a value that is no graph output and that no nested graph reads; else undefined. */
export function soleConsumer(index: GraphIndex, name: string): Node | undefined {
  const readers = index.consumers.get(name);
  if (readers?.length !== 1 || index.outputs.has(name) || index.captured.has(name)) return undefined;
  return readers[0];
}

/** Every name a node reads: its inputs, and what its nested graphs take from outside. Without ''. */
export function readsOf(node: Node): Set<string> {
  const names = capturesOf(node);
  for (const name of node.inputs) if (name !== '') names.add(name);
  return names;
}

/** The names that the nested graphs of a node take from the graphs around them. */
export function capturesOf(node: Node): Set<string> {
  const names = new Set<string>();
  for (const graph of subgraphsOf(node)) for (const name of freeNames(graph)) names.add(name);
  return names;
}

/** The names that a graph reads and does not define itself. */
export function freeNames(graph: Graph): Set<string> {
  const own = definedNames(graph);
  const free = new Set<string>();
  for (const node of graph.nodes) for (const name of readsOf(node)) if (!own.has(name)) free.add(name);
  for (const { name } of graph.outputs) if (name !== '' && !own.has(name)) free.add(name);
  return free;
}

/** The names that a graph defines in its own scope: inputs, initializers, outputs of nodes. */
export function definedNames(graph: Graph): Set<string> {
  const names = new Set<string>();
  for (const { name } of graph.inputs) names.add(name);
  for (const name of graph.initializers.keys()) names.add(name);
  for (const { name } of graph.sparseInitializers) names.add(name);
  for (const node of graph.nodes) for (const name of node.outputs) if (name !== '') names.add(name);
  return names;
}

/** The graph and all graphs nested in it, outer ones first. */
export function* walkGraphs(graph: Graph): Generator<Graph> {
  yield graph;
  for (const node of graph.nodes) for (const inner of subgraphsOf(node)) yield* walkGraphs(inner);
}

/** All nodes of the graph and of the graphs nested in it. */
export function* walkNodes(graph: Graph): Generator<Node> {
  for (const inner of walkGraphs(graph)) yield* inner.nodes;
}

/**
 * The nodes in an order in which each comes after the makers of all it reads. Stable: nodes move only where they must,
 * and a graph in order comes back as it is. Throws MODEL_INVALID, naming the nodes, where they form a circle.
 */
export function topologicalOrder(graph: Graph): Node[] {
  const { producers } = indexGraph(graph);
  const sorted: Node[] = [];
  const state = new Map<Node, 'open' | 'done'>();
  for (const start of graph.nodes) {
    if (state.has(start)) continue;
    state.set(start, 'open');
    const stack = [{ node: start, waits: makersOf(start, producers) }];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const next = top.waits.pop();
      if (next === undefined) {
        state.set(top.node, 'done');
        sorted.push(top.node);
        stack.pop();
      } else if (state.get(next) === 'open') {
        const circle = stack.slice(stack.findIndex((entry) => entry.node === next)).map(({ node }) => node);
        throw fail('MODEL_INVALID', `nodes feed each other in a circle: ${circle.map(labelOf).join(', ')}`);
      } else if (!state.has(next)) {
        state.set(next, 'open');
        stack.push({ node: next, waits: makersOf(next, producers) });
      }
    }
  }
  return sorted;
}

/** The makers of what a node reads, last first. */
function makersOf(node: Node, producers: ReadonlyMap<string, Node>): Node[] {
  const makers: Node[] = [];
  for (const name of readsOf(node)) {
    const maker = producers.get(name);
    if (maker !== undefined) makers.push(maker);
  }
  return makers.reverse();
}

/** A node for a message: its name, or its op and first output where it has none. */
export function labelOf(node: Node): string {
  return node.name !== '' ? node.name : `${node.op}(${node.outputs.find((name) => name !== '') ?? ''})`;
}
