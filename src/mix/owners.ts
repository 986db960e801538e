import { constantOf, indexGraph, type Model, type Node } from '../graph/index.ts';
import { isHeavy, type MixLayer } from '../transform/index.ts';

/**
 * The layer that each node of the main graph goes along with: a heavy one with its own, a light one with the layer that makes its first
 * input, or, where none does, with the first that reads what it makes. By name of the node and of the values that it makes,
 * inputs of the graph with their first reader. Nodes must have names of their own.
 */
export function ownersOf({ graph }: Model, layers: readonly MixLayer[]): ReadonlyMap<string, MixLayer> {
  const index = indexGraph(graph);
  const byName = new Map(layers.flatMap((layer) => layer.nodes.map((name) => [name, layer] as const)));
  const owners = new Map<Node, MixLayer>();
  for (const node of graph.nodes) {
    const own = byName.get(node.name);
    if (own !== undefined) {
      owners.set(node, own);
      continue;
    }
    if (isHeavy(node) || node.op === 'Constant') continue;
    for (const name of node.inputs) {
      if (name === '' || constantOf(graph, name, index) !== undefined) continue;
      const maker = index.producers.get(name);
      const owner = maker && owners.get(maker);
      if (owner === undefined) continue;
      owners.set(node, owner);
      break;
    }
  }
  const readerOf = (names: readonly string[]) =>
    names
      .flatMap((name) => index.consumers.get(name) ?? [])
      .map((reader) => owners.get(reader))
      .find((owner) => owner !== undefined);
  for (const node of [...graph.nodes].reverse()) {
    if (owners.has(node) || isHeavy(node)) continue;
    const owner = readerOf(node.outputs);
    if (owner !== undefined) owners.set(node, owner);
  }
  const named = new Map<string, MixLayer>();
  for (const { name } of graph.inputs) {
    const owner = readerOf([name]);
    if (owner !== undefined) named.set(name, owner);
  }
  for (const [node, owner] of owners)
    for (const name of [...node.outputs, node.name]) if (name !== '') named.set(name, owner);
  return named;
}
