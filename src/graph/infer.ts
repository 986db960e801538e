import { CATALOGUE, fail, ModicumError, messageOf } from '../base/index.ts';
import { bindSymbols, mergeDeclared, type Symbols } from './infer-declared.ts';
import { bodyOf, functionKey, functionsOf } from './infer-functions.ts';
import type { FunctionDef, Graph, Model, Node } from './model.ts';
import { knownOf } from './ops/constant.ts';
import { declaredOf } from './ops/declared.ts';
import { opKey, specOf } from './ops/index.ts';
import { type Known, known, NOTHING, Site } from './ops/op.ts';
import { labelOf, topologicalOrder, walkNodes } from './scope.ts';
import type { Tensor } from './tensor.ts';

export interface InferOptions {
  /** Shapes of inputs, in place of those that the model declares. */
  readonly inputShapes?: Readonly<Record<string, readonly number[]>>;
  /** Inputs that are settled: their shape and, where small, their elements are followed. */
  readonly inputValues?: Readonly<Record<string, Tensor>>;
  /** False: only constants are known by value, so shapes computed from shapes stay unknown. Default true. */
  readonly constants?: boolean;
  /** False: what the file says of inner values (value_info) and outputs is neither used nor checked. Default true. */
  readonly declared?: boolean;
  /** False: a contradiction with what the file declares is listed in `conflicts`, the rule wins. Default true: it throws. */
  readonly strict?: boolean;
}

/** An op without a rule. */
export interface Missing {
  readonly node: string;
  /** "Op", or "domain:Op". */
  readonly op: string;
}

/** What is known of every value before the model runs. */
export interface Inference {
  /** Values of the main graph by name. Names that are absent are not known at all. */
  readonly values: ReadonlyMap<string, Known>;
  /** Values of nested graphs (branches, bodies) and of function bodies, each in its own scope. */
  readonly nested: ReadonlyMap<Graph, ReadonlyMap<string, Known>>;
  /** The body that a node which calls a model-local function stands for. */
  readonly calls: ReadonlyMap<Node, Graph>;
  readonly missing: readonly Missing[];
  /** Only with strict: false. */
  readonly conflicts: readonly string[];
  get(name: string): Known | undefined;
}

const LEAST_BUDGET = 20_000;
/** How often each node may be looked at on average. */
const VISITS = 64;

/** Names of one graph, and of those around it. */
interface Scope {
  readonly values: Map<string, Known>;
  readonly outer: Scope | undefined;
  readonly opsets: ReadonlyMap<string, number>;
}

/**
 * Shapes and dtypes of all values, by static rules (src/graph/ops). A weight that is also an input counts with its default. Dimensions are numbers, symbols that the inputs
 * name, or null. Small integer tensors are followed by value, so that a Reshape to a computed shape resolves.
 * Throws SHAPE_MISMATCH, naming the node, where shapes cannot fit or the file declares another one, and MODEL_INVALID.
 */
export function inferShapes(model: Model, options: InferOptions = {}): Inference {
  return new Inferrer(model, options).run();
}

class Inferrer {
  readonly #model: Model;
  readonly #options: InferOptions;
  readonly #functions: ReadonlyMap<string, FunctionDef>;
  readonly #nested = new Map<Graph, ReadonlyMap<string, Known>>();
  readonly #calls = new Map<Node, Graph>();
  readonly #missing = new Map<Node, Missing>();
  readonly #conflicts = new Set<string>();
  readonly #open = new Set<string>();
  /** Nodes that may still be looked at: loops in loops, and functions of functions, must not grow without bound. */
  #budget: number;
  #symbols: Symbols = { bound: new Map(), stale: false };

  constructor(model: Model, options: InferOptions) {
    this.#model = model;
    this.#options = options;
    this.#functions = functionsOf(model);
    let nodes = 0;
    for (const _ of walkNodes(model.graph)) nodes += 1;
    for (const fn of model.functions) nodes += fn.nodes.length;
    this.#budget = LEAST_BUDGET + VISITS * nodes;
  }

  run(): Inference {
    const { graph, opsets } = this.#model;
    const inputs = graph.inputs.map((input) => this.#inputOf(graph, input.name));
    this.#symbols = bindSymbols(graph.inputs, inputs);
    const values = this.#graph(graph, inputs, undefined, opsets);
    return {
      values,
      nested: this.#nested,
      calls: this.#calls,
      missing: [...this.#missing.values()],
      conflicts: [...this.#conflicts],
      get: (name) => values.get(name),
    };
  }

  #inputOf(graph: Graph, name: string): Known {
    const { inputShapes, inputValues } = this.#options;
    const value = inputValues?.[name];
    if (value !== undefined) return knownOf(value);
    const info = graph.inputs.find((input) => input.name === name);
    const declared = info === undefined ? NOTHING : declaredOf(info.type);
    const shape = inputShapes?.[name];
    if (shape !== undefined) return known(declared.dtype, shape);
    // A weight that is also an input may be replaced by the caller; unless told so, its default counts.
    const weight = graph.initializers.get(name);
    return weight === undefined ? declared : knownOf(weight);
  }

  #graph(
    graph: Graph,
    inputs: readonly Known[],
    outer: Scope | undefined,
    opsets: ReadonlyMap<string, number>,
  ): Map<string, Known> {
    const values = new Map<string, Known>();
    const scope: Scope = { values, outer, opsets };
    for (const [name, tensor] of graph.initializers) values.set(name, knownOf(tensor));
    for (const { name, dims, values: stored } of graph.sparseInitializers)
      values.set(name, known(stored.dtype, dims));
    for (const [i, { name, type }] of graph.inputs.entries()) {
      const [given, declared] = [inputs[i] ?? NOTHING, declaredOf(type)];
      values.set(name, {
        ...given,
        dtype: given.dtype ?? declared.dtype,
        shape: given.shape ?? (given.element === undefined ? declared.shape : undefined),
        element: given.element ?? declared.element,
      });
    }
    const outputs = new Map(graph.outputs.map((output) => [output.name, output]));
    for (const node of topologicalOrder(graph)) {
      const found = this.#node(node, scope);
      for (const [i, name] of node.outputs.entries()) {
        if (name === '') continue;
        const info = graph.values.get(name) ?? outputs.get(name);
        values.set(name, this.#checked(node, name, found[i] ?? NOTHING, info && declaredOf(info.type)));
      }
    }
    return values;
  }

  #node(node: Node, scope: Scope): readonly Known[] {
    const inputs = node.inputs.map((name) => (name === '' ? undefined : (lookUp(scope, name) ?? NOTHING)));
    const fn = this.#functions.get(functionKey(node));
    if (fn !== undefined) return this.#call(node, fn, inputs);
    const spec = specOf(node);
    this.#budget -= 1;
    if (spec === undefined) {
      this.#missing.set(node, { node: labelOf(node), op: opKey(node) });
      return [];
    }
    const inner = (graph: Graph, given: readonly Known[]): Known[] => {
      if (this.#budget < 0) return graph.outputs.map(() => NOTHING);
      const values = this.#graph(graph, given, scope, scope.opsets);
      this.#nested.set(graph, values);
      return graph.outputs.map(({ name }) => values.get(name) ?? lookUp(scope, name) ?? NOTHING);
    };
    try {
      const found = spec.infer(new Site(node, scope.opsets.get(node.domain) ?? 1, inputs, inner));
      const follows = this.#options.constants !== false || node.inputs.length === 0;
      return found.map((value) => (follows ? plausible(value) : known(value.dtype, plausible(value).shape)));
    } catch (cause) {
      throw named(node, cause);
    }
  }

  #call(node: Node, fn: FunctionDef, inputs: readonly (Known | undefined)[]): readonly Known[] {
    const key = functionKey(node);
    if (this.#budget < 0) return [];
    if (this.#open.has(key)) throw fail('MODEL_INVALID', `function ${key} calls itself`);
    this.#open.add(key);
    try {
      const body = this.#calls.get(node) ?? bodyOf(fn, node);
      const values = this.#graph(
        body,
        fn.inputs.map((_, i) => inputs[i] ?? NOTHING),
        undefined,
        fn.opsets,
      );
      this.#calls.set(node, body);
      this.#nested.set(body, values);
      return fn.outputs.map((name) => values.get(name) ?? NOTHING);
    } finally {
      this.#open.delete(key);
    }
  }

  #checked(node: Node, name: string, found: Known, declared: Known | undefined): Known {
    if (declared === undefined || this.#options.declared === false) return found;
    try {
      return mergeDeclared(found, declared, this.#symbols);
    } catch (cause) {
      if (!(cause instanceof ModicumError)) throw cause;
      const why = `${labelOf(node)}: output "${name}" ${whyOf(cause)}`;
      if (this.#options.strict !== false)
        throw fail('SHAPE_MISMATCH', why, { node: labelOf(node), value: name }, cause);
      this.#conflicts.add(why);
      return found;
    }
  }
}

function lookUp(scope: Scope | undefined, name: string): Known | undefined {
  for (let at = scope; at !== undefined; at = at.outer) {
    const value = at.values.get(name);
    if (value !== undefined) return value;
  }
  return undefined;
}

/** A negative size cannot be; a fraction means that a rule was led astray by an unusual value. */
function plausible(value: Known): Known {
  const { shape } = value;
  if (
    shape === undefined ||
    shape.every((dim) => typeof dim !== 'number' || (Number.isSafeInteger(dim) && dim >= 0))
  ) {
    return value;
  }
  if (shape.some((dim) => Number(dim) < 0)) throw fail('SHAPE_MISMATCH', `a shape of [${shape}]`);
  return known(
    value.dtype,
    shape.map((dim) => (typeof dim === 'number' && !Number.isSafeInteger(dim) ? null : dim)),
  );
}

/** The clause of an error, without the words of its catalogue row. */
function whyOf(error: ModicumError): string {
  return error.message.slice(CATALOGUE[error.code].what.length + 2);
}

const NAMED = new WeakSet<ModicumError>();

/** The error with its node; anything that is not ours is what a malformed node made of a rule. */
function named(node: Node, cause: unknown): ModicumError {
  if (cause instanceof ModicumError && NAMED.has(cause)) return cause;
  const label = `${labelOf(node)} (${opKey(node)})`;
  const data = { node: labelOf(node), op: opKey(node) };
  const error =
    cause instanceof ModicumError
      ? fail(cause.code, `${label}: ${whyOf(cause)}`, data, cause)
      : fail(
          'MODEL_INVALID',
          `${label}: its inputs or attributes are malformed (${messageOf(cause)})`,
          data,
          cause,
        );
  NAMED.add(error);
  return error;
}
