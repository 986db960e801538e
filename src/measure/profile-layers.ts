import { labelOf, type Model, type Node } from '../graph/index.ts';
import type { NodeTime } from '../run/index.ts';
import type { LayerCost } from './flops.ts';

/** A node that the runtime executes, with its time and the work of the model's nodes that it stands for. */
export interface ProfiledLayer {
  /** As the runtime names it. */
  readonly name: string;
  readonly op: string;
  /** Mean per run of the model. */
  readonly microseconds: number;
  /** Part of the sum over all nodes. */
  readonly share: number;
  /** The nodes of the model that it computes, several where the runtime fused them; none for its own changes of layout. */
  readonly nodes: readonly string[];
  readonly macs: number;
  readonly parameters: number;
  readonly weightBytes: number;
  /** True where its arithmetic is in 8-bit integers. */
  readonly integer: boolean;
  /** Billions of operations per second, two per multiply-accumulate. */
  readonly gigaOps: number;
}

/** Nodes that the runtime adds for itself: they move values and compute nothing of the model. */
const OWN_OPS = new Set(['ReorderInput', 'ReorderOutput', 'MemcpyFromHost', 'MemcpyToHost']);

/**
 * Joins the times of the executed nodes with the work of the model's own. A fused node keeps the value that its last node
 * makes, or is called after it (`value_nchwc`); a node of the model that no executed one claims so belongs to the one that
 * its result flows into.
 */
export function joinLayers(
  times: readonly NodeTime[],
  executed: Model,
  source: Model,
  layers: readonly LayerCost[],
): ProfiledLayer[] {
  const makers = new Map<string, Node>();
  const named = new Map<string, Node>();
  const readers = new Map<string, Node[]>();
  for (const node of source.graph.nodes) {
    if (node.name !== '') named.set(node.name, node);
    for (const name of node.outputs) if (name !== '') makers.set(name, node);
    for (const name of node.inputs) readers.set(name, [...(readers.get(name) ?? []), node]);
  }
  const outputsOf = executedOutputs(times, executed);
  /** The executed node, by its place in `times`, that a node of the model belongs to. */
  const owners = new Map<Node, number>();
  for (const [i, { name, op }] of times.entries()) {
    if (OWN_OPS.has(op)) continue;
    const made = outputsOf[i]?.find((value) => makers.has(value));
    const value = made ?? name.replace(/_nchwc(_token_\d+)?$/, '');
    const node = makers.get(value) ?? named.get(name);
    if (node && !owners.has(node)) owners.set(node, i);
  }
  // From the end, so that a chain of fused nodes finds its owner one after the other.
  for (const node of source.graph.nodes.toReversed()) {
    if (owners.has(node)) continue;
    for (const name of node.outputs) {
      const owner = (readers.get(name) ?? [])
        .map((reader) => owners.get(reader))
        .find((i) => i !== undefined);
      if (owner === undefined) continue;
      owners.set(node, owner);
      break;
    }
  }
  const costs = new Map(layers.map((layer) => [layer.node, layer]));
  const members = times.map((): LayerCost[] => []);
  const claimed = new Set<string>();
  for (const node of source.graph.nodes) {
    const cost = costs.get(labelOf(node));
    const owner = owners.get(node);
    if (!cost || owner === undefined) continue;
    members[owner]!.push(cost);
    claimed.add(cost.node);
  }
  // Nodes of nested graphs and functions keep their names.
  for (const [i, { name }] of times.entries()) {
    const cost = costs.get(name);
    if (cost && !claimed.has(name)) members[i]!.push(cost);
  }
  return times.map(({ name, op, microseconds, share }, i) => {
    const own = members[i]!;
    const sum = (value: (cost: LayerCost) => number) => own.reduce((total, cost) => total + value(cost), 0);
    const macs = sum((cost) => cost.macs);
    return {
      name,
      op,
      microseconds,
      share,
      nodes: own.map(({ node }) => node),
      macs,
      parameters: sum((cost) => cost.parameters),
      weightBytes: sum((cost) => cost.weightBytes),
      integer: own.some(({ integer, macs: some }) => integer && some > 0),
      gigaOps: microseconds > 0 ? (2 * macs) / microseconds / 1000 : 0,
    };
  });
}

/**
 * The values that each timed node makes. Nameless nodes are called by operator and place in the runtime's own table, which is the
 * order in which the executed graph lists them.
 */
function executedOutputs(times: readonly NodeTime[], executed: Model): (readonly string[] | undefined)[] {
  const named = new Map<string, Node>();
  const nameless = new Map<string, Node[]>();
  for (const node of executed.graph.nodes) {
    if (node.name !== '') named.set(`${node.op}\n${node.name}`, node);
    else nameless.set(node.op, [...(nameless.get(node.op) ?? []), node]);
  }
  const found = times.map(({ name, op }) => named.get(`${op}\n${name}`)?.outputs);
  for (const [op, nodes] of nameless) {
    const places = times
      .map((time, i) => ({ i, place: time.op === op && !found[i] ? placeOf(time) : undefined }))
      .filter((one): one is { i: number; place: number } => one.place !== undefined)
      .sort((a, b) => a.place - b.place);
    // Otherwise some are missing (a branch not taken) and nobody can say which.
    if (places.length !== nodes.length) continue;
    for (const [k, { i }] of places.entries()) found[i] = nodes[k]!.outputs;
  }
  return found;
}

/** 12 of "Conv_12". */
function placeOf({ name, op }: NodeTime): number | undefined {
  const rest = name.startsWith(`${op}_`) ? name.slice(op.length + 1) : '';
  return /^\d+$/.test(rest) ? Number(rest) : undefined;
}
