import { fail } from '../../base/index.ts';
import {
  cloneModel,
  indexGraph,
  inferShapes,
  labelOf,
  type Model,
  type Node,
  removeDead,
  replaceUses,
  topologicalOrder,
} from '../../graph/index.ts';
import { trainableWeights } from '../parameters/trainable.ts';

/** A part of a model that gives back the shape it was given: leaving it out leaves a model. */
export interface Block {
  readonly from: string;
  readonly to: string;
  /** The nodes with weights inside, for people. */
  readonly layers: readonly string[];
}

/**
 * The blocks of a model: spans between two values that everything flows through (dominators of the output), with the same shape
 * and dtype at both ends and weights between them, none inside of another. Residual blocks and layers of an encoder are such.
 */
export function blocksOf(model: Model): Block[] {
  const { graph } = model;
  const inference = inferShapes(model, { strict: false });
  const order = topologicalOrder(graph);
  const trunk = trunkOf(model, order);
  // A bias or the scale of a norm alone makes no layer.
  const weights = new Set(
    trainableWeights(model).filter((name) => graph.initializers.get(name)!.dims.length >= 2),
  );
  const place = new Map(order.map((node, i) => [node, i]));
  const { producers } = indexGraph(graph);
  const placeOf = (name: string) => {
    const maker = producers.get(name);
    return maker === undefined ? -1 : place.get(maker)!;
  };
  const key = (name: string) => {
    const known = inference.get(name);
    return known?.shape === undefined || known.shape.includes(null)
      ? undefined
      : `${known.dtype}[${known.shape}]`;
  };
  const blocks: Block[] = [];
  let after = 0;
  for (let to = 1; to < trunk.length; to++) {
    for (let from = to - 1; from >= after; from--) {
      const same = key(trunk[from]!);
      if (same === undefined || same !== key(trunk[to]!)) continue;
      const inside = order.slice(placeOf(trunk[from]!) + 1, placeOf(trunk[to]!) + 1);
      const layers = inside.filter((node) => node.inputs.some((name) => weights.has(name))).map(labelOf);
      if (layers.length === 0) continue;
      blocks.push({ from: trunk[from]!, to: trunk[to]!, layers });
      after = to;
      break;
    }
  }
  return blocks;
}

/** The values that every way from the inputs to the first output goes through, in order. */
function trunkOf({ graph }: Model, order: readonly Node[]): string[] {
  const live = new Set<string>([graph.outputs[0]!.name]);
  for (const node of [...order].reverse()) {
    if (node.outputs.some((name) => live.has(name))) for (const name of node.inputs) live.add(name);
  }
  const isData = (name: string) => name !== '' && !graph.initializers.has(name);
  const last = new Map<string, number>();
  for (const [i, node] of order.entries()) {
    if (!node.outputs.some((name) => live.has(name))) continue;
    for (const name of node.inputs) if (isData(name)) last.set(name, i);
  }
  // Values made so far that somebody further on still reads: where only one is left, all goes through it.
  const open = new Set(
    graph.inputs.filter(({ name }) => live.has(name) && isData(name)).map(({ name }) => name),
  );
  const trunk: string[] = open.size === 1 ? [...open] : [];
  for (const [i, node] of order.entries()) {
    const made = node.outputs.filter((name) => live.has(name) && isData(name));
    if (made.length === 0) continue;
    for (const name of made) open.add(name);
    for (const name of [...open]) if ((last.get(name) ?? -1) <= i && !made.includes(name)) open.delete(name);
    if (open.size === 1 && made.length === 1 && open.has(made[0]!)) trunk.push(made[0]!);
  }
  return trunk;
}

/**
 * A copy of a model without some of its blocks, spread evenly over its depth; the rest keeps its weights. `keep`: the share of
 * blocks that stay (at least one less than there are). Throws STUDENT_IMPOSSIBLE where there is no block to leave out.
 */
export function shallowerCopy(
  model: Model,
  keep: number,
): { readonly model: Model; readonly removed: readonly Block[] } {
  const outputs = new Set(model.graph.outputs.map(({ name }) => name));
  const blocks = blocksOf(model).filter(({ to }) => !outputs.has(to));
  if (blocks.length === 0) {
    throw fail('STUDENT_IMPOSSIBLE', 'no part of the teacher with weights gives back the shape it was given');
  }
  const gone = Math.min(blocks.length, Math.max(1, Math.round(blocks.length * (1 - keep))));
  // The first block stays longest: what comes early is built upon by all the rest.
  const removed = Array.from(
    { length: gone },
    (_, i) => blocks[blocks.length - 1 - Math.floor((i * blocks.length) / gone)]!,
  );
  const copy = cloneModel(model);
  for (const { from, to } of removed) replaceUses(copy.graph, to, from);
  removeDead(copy.graph);
  return { model: copy, removed: removed.reverse() };
}
