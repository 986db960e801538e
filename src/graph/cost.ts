import { ModicumError } from '../base/index.ts';
import { constantOf } from './constant.ts';
import { byteLengthOf, sizeOf } from './dtype.ts';
import { type Inference, inferShapes } from './infer.ts';
import type { Graph, Model, Node } from './model.ts';
import { isStatic } from './ops/dims.ts';
import { opKey, specOf } from './ops/index.ts';
import type { Known, NestedRule, Settled } from './ops/op.ts';
import { type GraphIndex, indexGraph, labelOf } from './scope.ts';
import type { Tensor } from './tensor.ts';

/** The arithmetic and the bytes of one node, or of all. */
export interface Cost {
  /** Multiply-accumulates, of whatever dtype. */
  readonly macs: number;
  /** Arithmetic operations: two per MAC, and all others (an addition, a comparison, an exponential count one each). */
  readonly flops: number;
  /** Elements of the constants it reads, without lists of integers (shapes, axes) and strings. */
  readonly parameters: number;
  /** Bytes of all constants it reads. */
  readonly weightBytes: number;
  /** Bytes of the values that it reads and makes at run time. */
  readonly activationBytes: number;
}

export interface NodeCost extends Cost {
  readonly node: string;
  readonly op: string;
  /** How often it runs: over 1 in the body of a loop. Its MACs, flops and activation bytes are those of all runs. */
  readonly times: number;
}

export interface ModelCost {
  /** In order of execution; nodes of nested graphs stand before the node that runs them. */
  readonly nodes: readonly NodeCost[];
  /** Sums over the nodes; a weight that several nodes read counts once. */
  readonly total: Cost;
  /** Nodes of which the work is not known: `total` is less than the truth by them. */
  readonly unknown: readonly { readonly node: string; readonly op: string; readonly why: string }[];
}

export interface CountOptions {
  /** Sizes of symbolic dimensions. Default: 1 each, as for a batch of one. */
  readonly symbols?: Readonly<Record<string, number>>;
}

/**
 * Counts the work of one run from shapes (by the cost rules in src/graph/ops). Of the branches of an If the costliest counts,
 * unless the condition is known; a loop counts as often as it runs, or once where that is not known (see `unknown`).
 */
export function costOf(
  model: Model,
  shapes: Inference = inferShapes(model, { strict: false }),
  options: CountOptions = {},
): ModelCost {
  const symbols = options.symbols ?? {};
  const counter = new Counter(settledShapes(model, shapes, symbols), symbols);
  const part = counter.graph(model.graph, model.opsets, undefined);
  return {
    nodes: part.nodes,
    total: { ...sumOf(part.nodes), ...weightsOf(part.weights) },
    unknown: part.unknown,
  };
}

/** With symbols in the inputs, shapes are inferred again for their sizes: arithmetic on symbols loses much. */
function settledShapes(
  model: Model,
  shapes: Inference,
  symbols: Readonly<Record<string, number>>,
): Inference {
  const inputs = model.graph.inputs.filter(({ name }) => !model.graph.initializers.has(name));
  if (inputs.every(({ name }) => isStatic(shapes.get(name)?.shape))) return shapes;
  const inputShapes: Record<string, number[]> = {};
  for (const { name } of inputs) {
    const shape = shapes.get(name)?.shape;
    if (shape !== undefined) inputShapes[name] = shape.map((dim) => settledDim(dim, symbols) ?? 1);
  }
  try {
    return inferShapes(model, { inputShapes, strict: false });
  } catch (cause) {
    // Some sizes (1 sample of audio, say) cannot run; what is known without them must do.
    if (cause instanceof ModicumError) return shapes;
    throw cause;
  }
}

function settledDim(
  dim: number | string | null,
  symbols: Readonly<Record<string, number>>,
): number | undefined {
  return typeof dim === 'string' ? (symbols[dim] ?? 1) : (dim ?? undefined);
}

interface Part {
  readonly nodes: NodeCost[];
  readonly weights: Map<string, Weight>;
  readonly unknown: { node: string; op: string; why: string }[];
}

interface Weight {
  readonly parameters: number;
  readonly bytes: number;
}

interface Scope {
  readonly graph: Graph;
  readonly index: GraphIndex;
  readonly values: ReadonlyMap<string, Known>;
  /** Tells apart weights of equal names in different scopes. */
  readonly id: string;
  readonly outer: Scope | undefined;
  /** In the body of a function: the arguments that are constants. */
  readonly bound: ReadonlyMap<string, Constant> | undefined;
}

interface Constant {
  readonly id: string;
  readonly tensor: Tensor;
}

class Counter {
  readonly #shapes: Inference;
  readonly #symbols: Readonly<Record<string, number>>;
  #scopes = 0;

  constructor(shapes: Inference, symbols: Readonly<Record<string, number>>) {
    this.#shapes = shapes;
    this.#symbols = symbols;
  }

  graph(
    graph: Graph,
    opsets: ReadonlyMap<string, number>,
    outer: Scope | undefined,
    times = 1,
    bound?: ReadonlyMap<string, Constant>,
  ): Part {
    const values = this.#shapes.nested.get(graph) ?? (outer === undefined ? this.#shapes.values : new Map());
    const scope: Scope = { graph, index: indexGraph(graph), values, id: `${this.#scopes++}:`, outer, bound };
    const part: Part = { nodes: [], weights: new Map(), unknown: [] };
    for (const node of graph.nodes) this.#node(node, opsets, scope, times, part);
    return part;
  }

  #node(node: Node, opsets: ReadonlyMap<string, number>, scope: Scope, times: number, part: Part): void {
    const body = this.#shapes.calls.get(node);
    if (body !== undefined) {
      append(part, this.#call(node, body, opsets, scope, times));
      return;
    }
    const spec = specOf(node);
    const known = node.inputs.map((name) => (name === '' ? undefined : valueIn(scope, name)));
    if (spec?.nested !== undefined) this.#inner(node, spec.nested(node, known), opsets, scope, times, part);
    if (node.op === 'Constant' && node.domain === '') return;
    const inputs = node.inputs.map((name) => (name === '' ? undefined : this.#settled(valueIn(scope, name))));
    const outputs = node.outputs.map((name) =>
      name === '' ? undefined : this.#settled(scope.values.get(name)),
    );
    const label = { node: labelOf(node), op: opKey(node) };
    const why = spec === undefined ? 'the op has no rule' : gapOf(node, inputs, outputs);
    if (why !== undefined) part.unknown.push({ ...label, why });
    const opset = opsets.get(node.domain) ?? 1;
    const work =
      spec === undefined || why !== undefined
        ? { macs: 0, other: 0 }
        : spec.cost({ node, opset, inputs, outputs });
    const weights = constantsOf(node, scope);
    const own = weightsOf(weights);
    const parameters = 'parameters' in work ? (work.parameters ?? own.parameters) : own.parameters;
    for (const [name, weight] of weights) part.weights.set(name, weight);
    // Packed weights have more parameters than elements, and classical models keep them in attributes.
    if (parameters !== own.parameters) {
      const [name, first] = [...weights].sort((a, b) => b[1].bytes - a[1].bytes)[0] ?? [];
      const rest = parameters - own.parameters + (first?.parameters ?? 0);
      part.weights.set(name ?? `${scope.id}${label.node}`, { parameters: rest, bytes: first?.bytes ?? 0 });
    }
    part.nodes.push({
      ...label,
      times,
      macs: times * work.macs,
      flops: times * (2 * work.macs + work.other),
      parameters,
      weightBytes: own.weightBytes,
      activationBytes: times * this.#activations(node, scope, inputs, outputs),
    });
  }

  #inner(
    node: Node,
    { graphs, times: given }: ReturnType<NestedRule>,
    opsets: ReadonlyMap<string, number>,
    scope: Scope,
    times: number,
    part: Part,
  ): void {
    const rounds = settledDim(given, this.#symbols);
    if (rounds === undefined) {
      part.unknown.push({
        node: labelOf(node),
        op: opKey(node),
        why: 'how often it runs depends on the data',
      });
    }
    const parts = graphs.map((graph) => this.graph(graph, opsets, scope, times * (rounds ?? 1)));
    const [costliest, ...rest] = parts.sort((a, b) => sumOf(b.nodes).flops - sumOf(a.nodes).flops);
    if (costliest !== undefined) append(part, costliest);
    // The weights of the other branches are in memory all the same.
    for (const other of rest) for (const [name, weight] of other.weights) part.weights.set(name, weight);
  }

  /** The body of a function sees its arguments and nothing else of the graph that calls it. */
  #call(node: Node, body: Graph, opsets: ReadonlyMap<string, number>, scope: Scope, times: number): Part {
    const bound = new Map<string, Constant>();
    for (const [i, { name }] of body.inputs.entries()) {
      const constant = constantIn(scope, node.inputs[i] ?? '');
      if (constant !== undefined) bound.set(name, constant);
    }
    return this.graph(body, opsets, undefined, times, bound);
  }

  #settled(value: Known | undefined): Settled | undefined {
    const dims = value?.shape?.map((dim) => settledDim(dim, this.#symbols));
    if (dims === undefined || !dims.every((dim) => dim !== undefined)) return undefined;
    return { dtype: value?.dtype, dims, size: sizeOf(dims) };
  }

  #activations(
    node: Node,
    scope: Scope,
    inputs: readonly (Settled | undefined)[],
    outputs: readonly (Settled | undefined)[],
  ): number {
    const read = inputs.filter((_, i) => constantIn(scope, node.inputs[i]!) === undefined);
    let bytes = 0;
    for (const value of [...read, ...outputs]) {
      if (value?.dtype !== undefined) bytes += byteLengthOf(value.dtype, value.size);
    }
    return bytes;
  }
}

/** Why a rule cannot count, or undefined. */
function gapOf(
  node: Node,
  inputs: readonly (Settled | undefined)[],
  outputs: readonly (Settled | undefined)[],
) {
  const at = outputs.findIndex((value, i) => value === undefined && node.outputs[i] !== '');
  if (at === 0) return `the shape of "${node.outputs[at]}" is not known`;
  const input = inputs.findIndex((value, i) => value === undefined && node.inputs[i] !== '');
  return input >= 0 ? `the shape of "${node.inputs[input]}" is not known` : undefined;
}

function valueIn(scope: Scope | undefined, name: string): Known | undefined {
  for (let at = scope; at !== undefined; at = at.outer) {
    const value = at.values.get(name);
    if (value !== undefined) return value;
  }
  return undefined;
}

function constantIn(scope: Scope | undefined, name: string): Constant | undefined {
  for (let at = scope; at !== undefined; at = at.outer) {
    const argument = at.bound?.get(name);
    if (argument !== undefined) return argument;
    // A weight that is also an input is a weight all the same, as long as nobody replaces it.
    const tensor = at.graph.initializers.get(name) ?? constantOf(at.graph, name, at.index);
    if (tensor !== undefined) return { id: at.id + name, tensor };
    if (at.values.has(name)) return undefined;
  }
  return undefined;
}

const NO_PARAMETERS = new Set(['int64', 'bool', 'string']);

function constantsOf(node: Node, scope: Scope): Map<string, Weight> {
  const weights = new Map<string, Weight>();
  for (const name of node.inputs) {
    const found = name === '' ? undefined : constantIn(scope, name);
    if (found === undefined) continue;
    const { dtype, size, byteLength } = found.tensor;
    weights.set(found.id, {
      parameters: NO_PARAMETERS.has(dtype) ? 0 : size,
      bytes: dtype === 'string' ? 0 : byteLength,
    });
  }
  return weights;
}

function weightsOf(weights: ReadonlyMap<string, Weight>): { parameters: number; weightBytes: number } {
  let [parameters, weightBytes] = [0, 0];
  for (const weight of weights.values()) {
    parameters += weight.parameters;
    weightBytes += weight.bytes;
  }
  return { parameters, weightBytes };
}

function append(part: Part, more: Part): void {
  part.nodes.push(...more.nodes);
  part.unknown.push(...more.unknown);
  for (const [name, weight] of more.weights) part.weights.set(name, weight);
}

function sumOf(nodes: readonly Cost[]): Cost {
  const total = { macs: 0, flops: 0, parameters: 0, weightBytes: 0, activationBytes: 0 };
  for (const node of nodes) for (const key of Object.keys(total) as (keyof Cost)[]) total[key] += node[key];
  return total;
}
