import { fail } from '../base/index.ts';
import { type Graph, makeNode, type Node, subgraphsOf, type ValueInfo } from './model.ts';
import {
  definedNames,
  freeNames,
  indexGraph,
  labelOf,
  readsOf,
  topologicalOrder,
  walkGraphs,
  walkNodes,
} from './scope.ts';

/*
 * The verbs with which passes change a graph in place. Values are known by name, and a nested graph (If, Loop, Scan)
 * may read names of the graphs around it: every verb here sees to that.
 */

/** Makes names that nothing in the graph or its nested graphs bears, value or node. Give it the outermost graph. */
export function namer(graph: Graph): (stem: string) => string {
  const taken = new Set<string>();
  for (const inner of walkGraphs(graph)) {
    for (const name of definedNames(inner)) taken.add(name);
    for (const name of freeNames(inner)) taken.add(name);
    for (const name of inner.values.keys()) taken.add(name);
    for (const node of inner.nodes) taken.add(node.name);
  }
  const next = new Map<string, number>();
  return (stem) => {
    let name = stem;
    for (let n = next.get(stem) ?? 1; name === '' || taken.has(name); n++) {
      name = `${stem}_${n}`;
      next.set(stem, n + 1);
    }
    taken.add(name);
    return name;
  };
}

/** One name as of `namer`; where many are needed, keep a namer. */
export function freshName(graph: Graph, stem: string): string {
  return namer(graph)(stem);
}

/**
 * Lets every reader of `from`, nested graphs included, read `to` instead. Graph outputs stay: one named `from` is still
 * fed by the maker of `from`. To be rid of that maker use `bypass`.
 */
export function replaceUses(graph: Graph, from: string, to: string): void {
  for (const node of graph.nodes) rewire(node, from, to);
}

function rewire(node: Node, from: string, to: string): void {
  for (const [i, name] of node.inputs.entries()) if (name === from) node.inputs[i] = to;
  for (const inner of subgraphsOf(node)) {
    const own = definedNames(inner);
    if (own.has(from)) continue;
    if (own.has(to) && freeNames(inner).has(from)) {
      throw fail('MODEL_INVALID', `graph "${inner.name}" inside of ${labelOf(node)} hides the outer "${to}"`);
    }
    for (const nested of inner.nodes) rewire(nested, from, to);
    for (const [i, output] of inner.outputs.entries()) {
      if (output.name === from) inner.outputs[i] = { ...output, name: to };
    }
  }
}

/** What `bypass` did about the graph's outputs: nothing was needed, the maker of `to` was renamed, or an Identity remains. */
export type Bypassed = 'rewired' | 'renamed' | 'identity';

/**
 * Removes `node` and lets `to` stand for its output number `output`; nothing may read its other outputs. Where that
 * output is one of the graph's, which keep their names, the maker of `to` takes over the name; where it cannot (`to` is
 * an input, an initializer or itself an output) an Identity takes the node's place.
 */
export function bypass(graph: Graph, node: Node, to: string, output = 0): Bypassed {
  const from = node.outputs[output] ?? '';
  const index = indexGraph(graph);
  for (const other of node.outputs) {
    if (other !== '' && other !== from && (index.consumers.has(other) || index.outputs.has(other))) {
      throw fail('INTERNAL', `${labelOf(node)} cannot be bypassed: its output "${other}" is in use`);
    }
  }
  const at = graph.nodes.indexOf(node);
  if (at < 0 || from === '') throw fail('INTERNAL', `${labelOf(node)} has no output ${output} in this graph`);
  if (!index.outputs.has(from)) {
    replaceUses(graph, from, to);
    dropNodes(graph, at);
    graph.values.delete(from);
    return 'rewired';
  }
  const maker = index.producers.get(to);
  if (maker === undefined || maker === node || index.outputs.has(to)) {
    replaceUses(graph, from, to);
    graph.nodes[at] = makeNode('Identity', [to], [from], {}, { name: node.name });
    return 'identity';
  }
  dropNodes(graph, at);
  renameValue(graph, to, from);
  return 'renamed';
}

function dropNodes(graph: Graph, at: number): void {
  graph.nodes.splice(at, 1);
}

/** Gives a value that a node makes, and that is no graph output, another name, for all its readers. */
export function renameValue(graph: Graph, from: string, to: string): void {
  for (const node of graph.nodes) {
    for (const [i, name] of node.outputs.entries()) if (name === from) node.outputs[i] = to;
  }
  replaceUses(graph, from, to);
  const info = graph.values.get(from);
  graph.values.delete(from);
  const isOutput = graph.outputs.some((output) => output.name === to);
  if (info !== undefined && !isOutput) graph.values.set(to, { ...info, name: to });
  const note = graph.quantization?.get(from);
  if (note !== undefined) {
    graph.quantization?.delete(from);
    graph.quantization?.set(to, note);
  }
}

/** Takes nodes out of the graph (of its own scope). Their readers are the caller's care. */
export function removeNodes(graph: Graph, nodes: Iterable<Node>): void {
  const gone = new Set(nodes);
  graph.nodes = graph.nodes.filter((node) => !gone.has(node));
}

export function insertBefore(graph: Graph, node: Node, ...added: Node[]): void {
  graph.nodes.splice(placeOf(graph, node), 0, ...added);
}

export function insertAfter(graph: Graph, node: Node, ...added: Node[]): void {
  graph.nodes.splice(placeOf(graph, node) + 1, 0, ...added);
}

function placeOf(graph: Graph, node: Node): number {
  const at = graph.nodes.indexOf(node);
  if (at < 0) throw fail('INTERNAL', `${labelOf(node)} is not in graph "${graph.name}"`);
  return at;
}

/** Puts the nodes into topological order, nested graphs too; see `topologicalOrder`. */
export function sortNodes(graph: Graph): void {
  for (const inner of walkGraphs(graph)) inner.nodes = topologicalOrder(inner);
}

/** Domains whose operators do nothing but compute their outputs. */
const PURE_DOMAINS: ReadonlySet<string> = new Set([
  '',
  'ai.onnx.ml',
  'ai.onnx.training',
  'ai.onnx.preview.training',
  'com.microsoft',
]);

/** True where a node may go when nothing reads it: a standard operator without an effect. A custom one may have any. */
export function isPure(node: Node): boolean {
  if (!PURE_DOMAINS.has(node.domain)) return false;
  return node.outputs.length > 0 && subgraphsOf(node).every((graph) => graph.nodes.every(isPure));
}

export interface Removed {
  readonly nodes: readonly Node[];
  readonly initializers: readonly string[];
}

/**
 * Removes what no output needs: nodes (unless `pure` says no), initializers, value infos of values that are no more;
 * in nested graphs as well. An initializer that is an input's default stays, with the input.
 */
export function removeDead(graph: Graph, pure: (node: Node) => boolean = isPure): Removed {
  const nodes: Node[] = [];
  const initializers: string[] = [];
  for (const node of graph.nodes) {
    for (const inner of subgraphsOf(node)) {
      const removed = removeDead(inner, pure);
      nodes.push(...removed.nodes);
      initializers.push(...removed.initializers);
    }
  }
  const live = liveNodes(graph, pure);
  nodes.push(...graph.nodes.filter((node) => !live.has(node)));
  graph.nodes = graph.nodes.filter((node) => live.has(node));

  const read = new Set(graph.outputs.map((output) => output.name));
  for (const node of graph.nodes) for (const name of readsOf(node)) read.add(name);
  const inputs = new Set(graph.inputs.map((input) => input.name));
  for (const name of graph.initializers.keys()) {
    if (read.has(name) || inputs.has(name)) continue;
    graph.initializers.delete(name);
    graph.initializerMetadata?.delete(name);
    initializers.push(name);
  }
  graph.sparseInitializers = graph.sparseInitializers.filter(
    ({ name }) => read.has(name) || inputs.has(name),
  );
  dropStale(graph.values, graph);
  if (graph.quantization !== undefined) dropStale(graph.quantization, graph);
  return { nodes, initializers };
}

function liveNodes(graph: Graph, pure: (node: Node) => boolean): Set<Node> {
  const { producers } = indexGraph(graph);
  const live = new Set<Node>();
  const todo = graph.nodes.filter((node) => !pure(node));
  for (const { name } of graph.outputs) {
    const maker = producers.get(name);
    if (maker !== undefined) todo.push(maker);
  }
  for (let node = todo.pop(); node !== undefined; node = todo.pop()) {
    if (live.has(node)) continue;
    live.add(node);
    for (const name of readsOf(node)) {
      const maker = producers.get(name);
      if (maker !== undefined && !live.has(maker)) todo.push(maker);
    }
  }
  return live;
}

function dropStale(notes: Map<string, unknown>, graph: Graph): void {
  const own = definedNames(graph);
  for (const name of notes.keys()) if (!own.has(name)) notes.delete(name);
}

/**
 * Gives every node without a name, or with one that another node bears, a unique one made of its op and first output;
 * nested graphs too. The same graph gets the same names each time. Returns how many were named.
 */
export function nameNodes(graph: Graph): number {
  const taken = new Set<string>();
  const unnamed: Node[] = [];
  for (const node of walkNodes(graph)) {
    if (node.name === '' || taken.has(node.name)) unnamed.push(node);
    else taken.add(node.name);
  }
  for (const node of unnamed) {
    const stem = node.name || [node.op, node.outputs.find((name) => name !== '')].filter(Boolean).join(':');
    let name = stem;
    for (let n = 1; taken.has(name); n++) name = `${stem}_${n}`;
    taken.add(name);
    node.name = name;
  }
  return unnamed.length;
}

/** What is known of a value of this graph: its input, output or inner value info. */
export function infoOf(graph: Graph, name: string): ValueInfo | undefined {
  return (
    graph.values.get(name) ??
    graph.outputs.find((output) => output.name === name) ??
    graph.inputs.find((input) => input.name === name)
  );
}
