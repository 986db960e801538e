import { messageOf } from '../../base/index.ts';
import {
  byteLengthOf,
  constantOf,
  type Graph,
  indexGraph,
  intOf,
  isPure,
  type Model,
  makeGraph,
  makeModel,
  type Node,
  readsOf,
  removeNodes,
  sizeOf,
  subgraphsOf,
  Tensor,
  type ValueInfo,
} from '../../graph/index.ts';
import { openSession } from '../../run/index.ts';
import { isDeterministic } from '../determinism.ts';
import type { PassContext } from '../pass.ts';
import { type Notes, REASSOCIATED, rewriting } from '../rewriting.ts';
import { staticShape, type Types, typesOf } from '../types.ts';

export interface FoldConstantsOptions {
  /** A computed constant may take this many bytes, or as many as the constants it is made of. Default 64 KiB. */
  readonly mostBytes: number;
}

/** A quantized weight is an integer weight and its DequantizeLinear: computed ahead, it would be a float weight again. */
const KEPT: ReadonlySet<string> = new Set([
  'QuantizeLinear',
  'DequantizeLinear',
  'DynamicQuantizeLinear',
  'Constant',
]);

/**
 * Everything that follows from constants alone is computed once, by the runtime, and held as a constant; the shape of a
 * value of known shape is a constant as well. All of it is computed in one run of one model.
 */
export const foldConstants = rewriting<FoldConstantsOptions>({
  name: 'fold-constants',
  summary: 'what follows from constants alone is computed ahead, shapes that are known included',
  defaults: { mostBytes: 65536 },
  error: REASSOCIATED,
  async rewrite(model, notes, options, context) {
    let modified = false;
    // Computed constants make more shapes known: at most as often as shapes depend on shapes.
    for (let round = 0; round < 8; round++) {
      const types = typesOf(model);
      const shapes = knownShapes(model.graph, types, notes);
      const computed = await computeConstants(model, types, notes, options, context);
      if (!shapes && !computed) break;
      modified = true;
    }
    return modified;
  },
});

/** Shape and Size of values of known shape become constants, and integers that follow from such. */
function knownShapes(graph: Graph, types: Types, notes: Notes): boolean {
  const { outputs } = indexGraph(graph);
  const gone: Node[] = [];
  for (const node of graph.nodes) {
    const name = node.outputs[0]!;
    if (node.domain !== '' || node.outputs.length !== 1 || outputs.has(name) || KEPT.has(node.op)) continue;
    if (!isPure(node) || !isDeterministic(node)) continue;
    const value = knownValue(node, types);
    if (value === undefined) continue;
    graph.initializers.set(name, value);
    gone.push(node);
    notes.changed(node, 'it follows from shapes that are known');
  }
  removeNodes(graph, gone);
  return gone.length > 0;
}

function knownValue(node: Node, types: Types): Tensor | undefined {
  const dims =
    node.op === 'Shape' || node.op === 'Size' ? staticShape(types.shape(node.inputs[0]!)) : undefined;
  if (dims !== undefined && node.op === 'Size') return Tensor.int64([], [sizeOf(dims)]);
  if (dims !== undefined) {
    // Array.slice clamps, and counts from the end, as Shape's start and end (opset 15) do.
    const kept = dims.slice(intOf(node, 'start', 0), intOf(node, 'end'));
    return Tensor.int64([kept.length], kept);
  }
  const name = node.outputs[0]!;
  const [values, shape] = [types.integers(name), staticShape(types.shape(name))];
  if (values === undefined || shape === undefined || !values.every(Number.isSafeInteger)) return undefined;
  return types.dtype(name) === 'int64'
    ? Tensor.int64(shape, values)
    : Tensor.of('int32', shape, Int32Array.from(values));
}

/** A value on the way to a small constant may be this large, in bytes. */
const MOST_BETWEEN = 64 * 2 ** 20;

async function computeConstants(
  model: Model,
  types: Types,
  notes: Notes,
  { mostBytes }: FoldConstantsOptions,
  context: PassContext,
): Promise<boolean> {
  const { graph } = model;
  const index = indexGraph(graph);
  const blocked = new Set<Node>();
  const limit = (node: Node) => Math.max(mostBytes, inputBytes(graph, node));
  for (;;) {
    const foldable = new Set<Node>();
    const constant = (name: string) =>
      name === '' || constantOf(graph, name, index) !== undefined || foldable.has(index.producers.get(name)!);
    for (const node of graph.nodes) {
      if (blocked.has(node) || !mayFold(node) || node.outputs.some((name) => index.outputs.has(name)))
        continue;
      if (!node.inputs.every(constant)) continue;
      if (node.outputs.some((name) => knownBytes(types, name) > MOST_BETWEEN)) continue;
      foldable.add(node);
    }
    if (foldable.size === 0) return false;
    const frontier: string[] = [];
    for (const node of foldable) {
      for (const name of node.outputs) {
        const read = index.consumers.get(name)?.some((reader) => !foldable.has(reader));
        if (name !== '' && read) frontier.push(name);
      }
    }
    const large = frontier.filter((name) => knownBytes(types, name) > limit(index.producers.get(name)!));
    if (large.length > 0) {
      for (const name of large) {
        const maker = index.producers.get(name)!;
        blocked.add(maker);
        notes.refused(maker, `the result takes ${knownBytes(types, name)} bytes`);
      }
      continue;
    }
    const values = frontier.length > 0 ? await evaluateAll(model, foldable, frontier, context) : new Map();
    let again = false;
    for (const name of frontier) {
      const value = values.get(name);
      const maker = index.producers.get(name)!;
      if (typeof value === 'object' && value.byteLength <= limit(maker)) continue;
      blocked.add(maker);
      notes.refused(
        maker,
        typeof value === 'object' ? `the result takes ${value.byteLength} bytes` : `${value}`,
      );
      again = true;
    }
    // What a blocked node needs has become frontier itself: count once more.
    if (again) continue;
    for (const [name, value] of values) if (typeof value === 'object') graph.initializers.set(name, value);
    for (const node of foldable) notes.changed(node, 'computed ahead');
    removeNodes(graph, foldable);
    return true;
  }
}

function mayFold(node: Node): boolean {
  if (node.domain !== '' || KEPT.has(node.op) || !isPure(node) || !isDeterministic(node)) return false;
  return subgraphsOf(node).length === 0 && node.inputs.some((name) => name !== '');
}

function knownBytes(types: Types, name: string): number {
  const [dims, dtype] = [staticShape(types.shape(name)), types.dtype(name)];
  return dims === undefined || dtype === undefined ? 0 : byteLengthOf(dtype, sizeOf(dims));
}

function inputBytes(graph: Graph, node: Node): number {
  let bytes = 0;
  for (const name of readsOf(node)) {
    const tensor = graph.initializers.get(name);
    if (tensor !== undefined && tensor.dtype !== 'string') bytes += tensor.byteLength;
  }
  return bytes;
}

/** The values, or why one could not be computed. A failure is narrowed down by halves, so that one bad node spoils only itself. */
async function evaluateAll(
  model: Model,
  foldable: ReadonlySet<Node>,
  names: readonly string[],
  context: PassContext,
): Promise<Map<string, Tensor | string>> {
  context.signal?.throwIfAborted();
  try {
    return new Map(Object.entries(await evaluateConstants(model, foldable, names)));
  } catch (cause) {
    if (names.length === 1)
      return new Map([[names[0]!, `the runtime does not compute it: ${messageOf(cause)}`]]);
    const half = names.length >> 1;
    const parts = [names.slice(0, half), names.slice(half)];
    const results = new Map<string, Tensor | string>();
    for (const part of parts) {
      for (const [name, value] of await evaluateAll(model, foldable, part, context)) results.set(name, value);
    }
    return results;
  }
}

async function evaluateConstants(
  model: Model,
  foldable: ReadonlySet<Node>,
  names: readonly string[],
): Promise<Record<string, Tensor>> {
  const { graph } = model;
  const { producers } = indexGraph(graph);
  const needed = new Set<Node>();
  const initializers = new Map<string, Tensor>();
  const todo = [...names];
  for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
    const weight = graph.initializers.get(name);
    if (weight !== undefined) initializers.set(name, weight);
    const node = producers.get(name);
    if (node === undefined || needed.has(node)) continue;
    needed.add(node);
    todo.push(...readsOf(node));
  }
  const part = makeModel(
    makeGraph({
      name: 'constants',
      inputs: [],
      outputs: names.map((name): ValueInfo => ({ name, type: { kind: 'unknown' } })),
      nodes: graph.nodes.filter((node) => needed.has(node) && (foldable.has(node) || node.op === 'Constant')),
      initializers,
    }),
    model.opsets.get(''),
    { irVersion: Math.max(4, model.irVersion), opsets: model.opsets },
  );
  const session = await openSession(part, { threads: 1, instances: 1, level: 'disabled' });
  try {
    return await session.run({});
  } finally {
    await session.dispose();
  }
}
