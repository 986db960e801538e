import { fail } from '../../base/index.ts';
import {
  attr,
  DTYPES,
  type DType,
  type Graph,
  inferShapes,
  type Model,
  makeNode,
  type Node,
  namer,
  readsOf,
  removeDead,
  sortNodes,
  subgraphsOf,
  type Tensor,
} from '../../graph/index.ts';
import type { DeclaredError, Pass, PassContext, PassResult } from '../pass.ts';
import { unknownNotes } from '../quantize/checked.ts';
import { constantIn, type Scope, scopesOf } from '../quantize/scopes.ts';
import { excluder, type Selection } from '../quantize/selection.ts';
import { withNames } from '../quantize/static.ts';
import { Notes } from '../rewriting.ts';
import { type Types, typesOf } from '../types.ts';
import {
  type Maxima,
  maximaOf,
  type RangeRules,
  whyConstantStays,
  whySumStays,
  whyValuesStay,
} from './half-ranges.ts';
import { floatInput, readsShapeAlone, typeAttributes, whyFloat } from './half-rules.ts';
import { halfTensor } from './half-tensor.ts';

export interface HalfOptions extends Selection, RangeRules {
  /** Counted already on this model (maximaOf): spares reading the data. */
  readonly maxima?: Maxima;
}

export const HALF_DEFAULTS: HalfOptions = {
  // An eighth of what float16 holds: samples that calibration did not see may reach farther.
  largest: 8192,
  // Where a kernel sums up in float16, terms of one sign are lost once the sum is 2048 times as large as they are.
  longestSum: 4096,
};

/** Float16 has no opset of its own, but Cast, shape inference and most kernels of it do not go back further. */
const LEAST_OPSET = 7;

/**
 * Weights and activations in float16, between inputs and outputs that stay float32. Stays in float32: what the standard or the runtime
 * does not take in float16, and what the range rules say (on the calibration data where there is some, else by the constants alone).
 * In nested graphs as well, whose ends stay float32 too. Half the size; faster only where the provider computes in float16: the CPU's
 * converts to float32 and back around most operators.
 */
export const halfPrecision: Pass<HalfOptions> = {
  name: 'fp16',
  summary: 'weights and activations in float16: half the size; faster on GPUs, not on CPUs',
  defaults: HALF_DEFAULTS,
  error: (): DeclaredError => ({ kind: 'lossy', why: 'values are rounded to 11 bits' }),
  async apply(model: Model, options: HalfOptions, context: PassContext): Promise<PassResult> {
    context.signal?.throwIfAborted();
    const opset = model.opsets.get('') ?? 1;
    if (opset < LEAST_OPSET) {
      throw fail('OPSET_TOO_OLD', `the model is of opset ${opset}, this needs ${LEAST_OPSET}`, {
        opset,
        least: LEAST_OPSET,
      });
    }
    const result = withNames(model);
    const scopes = [...scopesOf(result)];
    const types = typesOf(result);
    const { calibration } = context;
    const maxima =
      options.maxima ??
      (calibration === undefined ? new Map() : await maximaOf(result, calibration, types, context));
    const nodes = scopes.flatMap(({ graph }) => graph.nodes);
    const notes = new Notes();
    const converter = new Converter(result, { ...options, maxima }, types, nodes, notes);
    // Inner graphs first: what an outer one calls its values must not have changed yet.
    for (const scope of scopes.reverse()) converter.convert(scope);
    const all = [...notes.all, ...unknownNotes(options, nodes)];
    if (!converter.modified) return { model, modified: false, notes: all };
    removeDead(result.graph);
    return { model: result, modified: true, notes: all };
  },
};

class Converter {
  modified = false;
  readonly #options: HalfOptions & { readonly maxima: Maxima };
  readonly #types: Types;
  readonly #notes: Notes;
  readonly #opset: number;
  readonly #name: (stem: string) => string;
  readonly #excluded: (node: Node) => string | undefined;
  readonly #nested: ReturnType<typeof inferShapes>['nested'];

  constructor(
    model: Model,
    options: HalfOptions & { readonly maxima: Maxima },
    types: Types,
    nodes: readonly Node[],
    notes: Notes,
  ) {
    this.#options = options;
    this.#types = types;
    this.#notes = notes;
    this.#opset = model.opsets.get('') ?? 1;
    this.#name = namer(model.graph);
    this.#excluded = excluder(
      options,
      nodes.filter(({ op, domain }) => domain === '' && HEAVY.has(op)),
    );
    this.#nested = inferShapes(model, { strict: false }).nested;
  }

  /** Converts the nodes of one graph in place; nested graphs are left alone. */
  convert(scope: Scope): void {
    const { graph } = scope;
    /** Values that a node makes in float16 now, and the name of that. */
    const halves = new Map<string, string>();
    const chosen = new Set<Node>();
    for (const node of graph.nodes) {
      if (!this.#takes(node, scope, halves)) continue;
      chosen.add(node);
      this.#notes.changed(node, 'in float16');
      for (const name of node.outputs) {
        if (name !== '' && this.#dtype(graph, name) === 'float32')
          halves.set(name, this.#name(`${name}_fp16`));
      }
    }
    if (chosen.size === 0) return;
    this.modified = true;
    const wanted = this.#floatsWanted(graph, chosen, halves);
    const casts: Node[] = [];
    const converted = new Map<string, string>();
    /** The float16 of a value that is float32: a constant anew, anything else by a Cast. */
    const toHalf = (name: string): string => {
      const known = halves.get(name) ?? converted.get(name);
      if (known !== undefined) return known;
      const made = this.#name(`${name}_fp16`);
      converted.set(name, made);
      const constant = constantIn(scope, name);
      if (constant !== undefined) graph.initializers.set(made, halfTensor(constant));
      else casts.push(this.#cast(name, made, 'float16'));
      return made;
    };
    for (const node of chosen) {
      let readsHalf = false;
      for (const [i, name] of node.inputs.entries()) {
        if (name === '' || this.#dtype(graph, name, scope) !== 'float32') continue;
        if (floatInput(node, i, this.#opset)) continue;
        node.inputs[i] = toHalf(name);
        readsHalf = true;
      }
      if (node.outputs.some((name) => halves.has(name))) typeAttributes(node, readsHalf);
      for (const [i, name] of node.outputs.entries()) {
        const half = halves.get(name);
        if (half === undefined) continue;
        node.outputs[i] = half;
        if (wanted.has(name)) casts.push(this.#cast(half, name, 'float32'));
        else graph.values.delete(name);
      }
    }
    graph.nodes.push(...casts);
    sortNodes(graph);
  }

  #cast(from: string, to: string, dtype: 'float16' | 'float32'): Node {
    return makeNode(
      'Cast',
      [from],
      [to],
      { to: attr.int(DTYPES[dtype].onnx) },
      { name: this.#name(`${to}:Cast`) },
    );
  }

  #dtype(graph: Graph, name: string, scope?: Scope): DType | undefined {
    const own = this.#nested.get(graph)?.get(name)?.dtype;
    if (own !== undefined) return own;
    // A constant that no rule looked at still says its type.
    return this.#types.dtype(name) ?? (scope && constantIn(scope, name)?.dtype);
  }

  /** Whether a node becomes float16; notes why not where it computes on float32. */
  #takes(node: Node, scope: Scope, halves: ReadonlyMap<string, string>): boolean {
    if (node.op === 'Constant') return false;
    const { graph } = scope;
    const type = (name: string) => this.#dtype(graph, name, scope);
    const inputs = node.inputs.filter((name) => name !== '');
    const outputs = node.outputs.filter((name) => name !== '');
    const kinds = new Set([...inputs, ...outputs].map(type));
    if (!kinds.has('float32') || kinds.has('float16')) return false;
    if (readsShapeAlone(node)) return inputs.every((name) => halves.has(name));
    const why =
      this.#excluded(node) ??
      whyFloat(node, this.#opset) ??
      (subgraphsOf(node).length > 0 ? 'it holds graphs, whose ends stay float32' : undefined) ??
      (kinds.has(undefined) ? 'the type of a value is not known' : undefined) ??
      [...kinds]
        .filter((kind) => kind === 'float64' || kind === 'bfloat16')
        .map((kind) => `it computes on ${kind}`)[0] ??
      this.#whyRange(node, scope, inputs);
    if (why !== undefined) {
      this.#notes.refused(node, why);
      return false;
    }
    if (outputs.some((name) => type(name) === 'float32')) return true;
    // It decides (a comparison, an index): on float16 only where what it reads is that already.
    const given = inputs.filter((name) => type(name) === 'float32' && constantIn(scope, name) === undefined);
    return given.length > 0 && given.every((name) => halves.has(name));
  }

  #whyRange(node: Node, scope: Scope, inputs: readonly string[]): string | undefined {
    for (const name of inputs) {
      const constant: Tensor | undefined = constantIn(scope, name);
      const why = constant?.dtype === 'float32' ? whyConstantStays(constant) : undefined;
      if (why !== undefined) return why;
    }
    const { maxima } = this.#options;
    return whyValuesStay(node, maxima, this.#options) ?? whySumStays(node, this.#types, this.#options);
  }

  /** Values made in float16 that somebody reads in float32: a node that stays, a nested graph, the caller. */
  #floatsWanted(
    graph: Graph,
    chosen: ReadonlySet<Node>,
    halves: ReadonlyMap<string, string>,
  ): ReadonlySet<string> {
    const wanted = new Set(graph.outputs.map(({ name }) => name).filter((name) => halves.has(name)));
    for (const node of graph.nodes) {
      if (!chosen.has(node)) for (const name of readsOf(node)) wanted.add(name);
      else {
        for (const [i, name] of node.inputs.entries()) if (floatInput(node, i, this.#opset)) wanted.add(name);
      }
    }
    return wanted;
  }
}

/** The nodes that keepFirst and keepLast count. */
const HEAVY: ReadonlySet<string> = new Set(['Conv', 'ConvTranspose', 'Gemm', 'MatMul']);
