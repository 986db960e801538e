import { fail } from '../../base/index.ts';
import {
  indexGraph,
  inferShapes,
  type Model,
  type Node,
  readsOf,
  topologicalOrder,
} from '../../graph/index.ts';
import { cacheForm } from '../cache-form.ts';
import { portsOfModel } from '../model-ports.ts';

/** Where the layers of a decoder begin and end. */
export interface DecoderLayers {
  /** The hidden state [batch, seq, dim] before each layer, and after the last: one name more than there are layers. */
  readonly hidden: readonly string[];
  /** Inputs of the caches of each layer. */
  readonly caches: readonly (readonly string[])[];
  readonly dim: number;
}

/**
 * Finds the layers of a decoder: between two of them a single value holds all that the tokens have become. That is a value after
 * which, in the order of the nodes, nothing older is read that depends on the tokens. Layers are told apart by the caches they read.
 * Throws NOT_GENERATIVE where there are no such values, or only one layer.
 */
export async function decoderLayers(model: Model): Promise<DecoderLayers> {
  const { inputs, outputs } = await portsOfModel(model);
  const { carry, ids } = cacheForm(inputs, outputs);
  const order = topologicalOrder(model.graph);
  const single = narrowPlaces(order, ids.name, 'logits');
  const { consumers } = indexGraph(model.graph);
  const place = new Map(order.map((node, i) => [node, i]));
  const first = (cache: string) => Math.min(...(consumers.get(cache) ?? []).map((node) => place.get(node)!));
  const layers = byLayer(Object.keys(carry))
    .map((caches) => ({ caches, at: Math.min(...caches.map(first)) }))
    .sort((a, b) => a.at - b.at);
  const before = layers.map(({ at }) => single.findLastIndex((one) => one.after < at));
  // Every layer has as many such places; the last one ends where the next would begin.
  const [last = -1, previous = -1] = [before.at(-1), before.at(-2)];
  const end = single[last + (last - previous)];
  if (layers.length < 2 || before.includes(-1) || previous >= last || end === undefined) {
    const why = `${layers.length} layers, between which it cannot be cut`;
    throw fail('NOT_GENERATIVE', why, { hint: 'Early exit needs two layers or more, one after the other.' });
  }
  const hidden = [...before.map((i) => single[i]!.value), end.value];
  const dim = inferShapes(model, { strict: false }).get(end.value)?.shape?.at(-1);
  if (typeof dim !== 'number') throw fail('NOT_GENERATIVE', `the width of ${end.value} is not known`);
  return { hidden, caches: layers.map(({ caches }) => caches), dim };
}

/** Caches by the number in their name. */
function byLayer(names: readonly string[]): string[][] {
  const layers = new Map<string, string[]>();
  for (const name of names) {
    const number = /[._](\d+)(?:[._]|$)/.exec(name)?.[1] ?? name;
    layers.set(number, [...(layers.get(number) ?? []), name]);
  }
  return [...layers.values()];
}

interface Place {
  readonly value: string;
  /** The number of the node after which nothing else is alive. */
  readonly after: number;
}

/** Values that alone carry what depends on the elements of `from` on its way to `to`, in the order of the nodes. */
function narrowPlaces(order: readonly Node[], from: string, to: string): Place[] {
  const carrying = new Set([from]);
  for (const node of order) {
    // The size of a tensor is no matter of its elements.
    if (node.op === 'Shape' || node.op === 'Size') continue;
    if ([...readsOf(node)].some((name) => carrying.has(name))) {
      for (const name of node.outputs) if (name !== '') carrying.add(name);
    }
  }
  const lastRead = new Map<string, number>([[to, order.length]]);
  for (const [i, node] of order.entries())
    for (const name of readsOf(node)) lastRead.set(name, Math.max(i, lastRead.get(name) ?? 0));
  const alive = new Set([from]);
  const places: Place[] = [];
  for (const [i, node] of order.entries()) {
    for (const name of readsOf(node)) if (lastRead.get(name) === i) alive.delete(name);
    for (const name of node.outputs) {
      if (carrying.has(name) && (lastRead.get(name) ?? -1) > i) alive.add(name);
    }
    const [value] = alive;
    if (alive.size === 1 && value !== from && value !== to && value !== places.at(-1)?.value) {
      places.push({ value: value!, after: i });
    }
  }
  return places;
}
