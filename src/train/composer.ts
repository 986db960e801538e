import { fail } from '../base/index.ts';
import {
  type Attribute,
  attr,
  type DType,
  inferShapes,
  type Known,
  knownOf,
  labelOf,
  type Model,
  makeNode,
  type Node,
  namer,
  Site,
  sizeOf,
  specOf,
  Tensor,
} from '../graph/index.ts';

/** Attributes as plain values: whole numbers become ints, text strings, lists of whole numbers ints. */
export type PlainAttributes = Readonly<Record<string, number | string | readonly number[] | Attribute>>;

/** The opset of every graph that is trained: rules and emitted nodes speak this one alone. */
export const TRAINING_OPSET = 21;

/**
 * Adds nodes to a model whose every shape is static, and knows the shape and dtype of what it adds. The model is edited
 * in place; give it a clone.
 */
export class Composer {
  readonly model: Model;
  readonly #known: Map<string, Known>;
  readonly #name: (stem: string) => string;
  readonly #constants = new Map<string, string>();
  #target: Node[];

  /**
   * `inputShapes`: the static shapes of the inputs (a batch included). Throws TRAIN_SHAPE_UNKNOWN for a value whose shape
   * is not settled by them when somebody asks for it.
   */
  constructor(model: Model, inputShapes: Readonly<Record<string, readonly number[]>>) {
    this.model = model;
    const inference = inferShapes(model, { inputShapes, strict: false, declared: false });
    this.#known = new Map(inference.values);
    this.#name = namer(model.graph);
    this.#target = model.graph.nodes;
  }

  /** A name that nothing bears. */
  fresh(stem: string): string {
    return this.#name(stem);
  }

  /** Adds a node with one output and returns its name. An absent optional input is ''. */
  op(op: string, inputs: readonly string[], attributes: PlainAttributes = {}, domain = ''): string {
    return this.ops(op, inputs, 1, attributes, domain)[0]!;
  }

  /** Adds a node with several outputs. */
  ops(
    op: string,
    inputs: readonly string[],
    outputs: number,
    attributes: PlainAttributes = {},
    domain = '',
  ): string[] {
    const name = this.#name(op);
    const names = Array.from({ length: outputs }, (_, i) =>
      this.#name(i === 0 ? `${name}:0` : `${name}:${i}`),
    );
    const given = Object.fromEntries(
      Object.entries(attributes).map(([key, value]) => [key, toAttribute(key, value)]),
    );
    const node = makeNode(op, [...inputs], names, given, { name, domain });
    this.#infer(node);
    this.#target.push(node);
    return names;
  }

  /** Adds a node of an operator that no table knows (a macro): what its outputs are is said here. */
  declare(node: Node, outputs: readonly Known[]): void {
    for (const [i, name] of node.outputs.entries()) if (name !== '') this.#known.set(name, outputs[i]!);
    this.#target.push(node);
  }

  /** A node as it is, its outputs' shapes inferred. */
  add(node: Node): void {
    this.#infer(node);
    this.#target.push(node);
  }

  /** What is added from now on goes into this list instead (to write nodes into the middle of a graph). */
  into(target: Node[]): void {
    this.#target = target;
  }

  #infer(node: Node): void {
    const spec = specOf(node);
    if (spec === undefined) throw fail('INTERNAL', `no shape rule for ${node.op}`);
    const inputs = node.inputs.map((input) => (input === '' ? undefined : this.known(input)));
    const opset = this.model.opsets.get(node.domain) ?? 1;
    this.model.opsets.set(node.domain, opset);
    const found = spec.infer(
      new Site(node, opset, inputs, () => {
        throw fail('INTERNAL', `${labelOf(node)}: nested graphs are not composed`);
      }),
    );
    for (const [i, name] of node.outputs.entries()) {
      if (name !== '') this.#known.set(name, found[i] ?? { shape: undefined });
    }
  }

  /** Gives a value a second name. */
  alias(value: string, name: string): void {
    this.add(makeNode('Identity', [value], [name], {}, { name: this.#name(`as:${name}`) }));
  }

  /** Everything known of a value; an empty fact where nothing is. */
  known(name: string): Known {
    return this.#known.get(name) ?? { shape: undefined };
  }

  has(name: string): boolean {
    return this.#known.has(name);
  }

  /** The static shape of a value. Throws TRAIN_SHAPE_UNKNOWN. */
  shape(name: string): readonly number[] {
    const shape = this.#known.get(name)?.shape;
    if (shape?.every((dim) => typeof dim === 'number')) return shape;
    throw fail(
      'TRAIN_SHAPE_UNKNOWN',
      `"${name}" is [${shape?.map((dim) => dim ?? '?') ?? 'of unknown rank'}]`,
      {
        value: name,
      },
    );
  }

  dtype(name: string): DType | undefined {
    return this.#known.get(name)?.dtype;
  }

  /** Elements of a small value where all are known numbers. */
  elements(name: string): readonly number[] | undefined {
    const elements = this.#known.get(name)?.elements;
    return elements?.every((element) => typeof element === 'number') ? elements : undefined;
  }

  /** A constant; the same one for equal small tensors. */
  constant(tensor: Tensor, stem = 'c'): string {
    const key = tensor.size <= 64 ? `${tensor.dtype}[${tensor.dims}]${tensor.numbers()}` : undefined;
    const before = key === undefined ? undefined : this.#constants.get(key);
    if (before !== undefined) return before;
    const name = this.#name(stem);
    this.model.graph.initializers.set(name, tensor);
    this.#known.set(name, knownOf(tensor));
    if (key !== undefined) this.#constants.set(key, name);
    return name;
  }

  /** A float32 scalar. */
  float(value: number): string {
    return this.constant(Tensor.float32([], [value]));
  }

  /** A vector of int64: axes, shapes, sizes. */
  ints(values: readonly number[]): string {
    return this.constant(Tensor.int64([values.length], values));
  }

  /** An input of the model that is fed. */
  input(name: string, dtype: DType, dims: readonly number[]): string {
    this.model.graph.inputs.push({ name, type: { kind: 'tensor', dtype, shape: dims } });
    this.#known.set(name, { dtype, shape: dims });
    return name;
  }

  /** Gives a value out under a name of its own. */
  output(value: string, name: string): void {
    const { dtype } = this.known(value);
    this.model.graph.nodes.push(
      makeNode('Identity', [value], [name], {}, { name: this.#name(`out:${name}`) }),
    );
    this.#known.set(name, this.known(value));
    this.model.graph.outputs.push({
      name,
      type: { kind: 'tensor', dtype: dtype ?? 'float32', shape: this.known(value).shape },
    });
  }

  /** Lets a value that nobody fed or made yet be known (an initializer that became an input, say). */
  learn(name: string, known: Known): void {
    this.#known.set(name, known);
  }

  reshape(value: string, dims: readonly number[]): string {
    return same(this.shape(value), dims) ? value : this.op('Reshape', [value, this.ints(dims)]);
  }

  /** Sum over axes. */
  sum(value: string, axes: readonly number[], keep = false): string {
    if (axes.length === 0) return value;
    return this.op('ReduceSum', [value, this.ints(axes)], { keepdims: keep ? 1 : 0 });
  }

  mean(value: string, axes: readonly number[], keep = false): string {
    if (axes.length === 0) return value;
    return this.op('ReduceMean', [value, this.ints(axes)], { keepdims: keep ? 1 : 0 });
  }

  transpose(value: string, perm: readonly number[]): string {
    return perm.every((axis, i) => axis === i) ? value : this.op('Transpose', [value], { perm });
  }

  /** A value broadcast to a shape. */
  expand(value: string, dims: readonly number[]): string {
    return same(this.shape(value), dims) ? value : this.op('Expand', [value, this.ints(dims)]);
  }

  /**
   * The gradient of a value that was broadcast: summed over the axes along which it was repeated, in the shape `dims`
   * that it had before.
   */
  unbroadcast(gradient: string, dims: readonly number[]): string {
    const from = this.shape(gradient);
    if (same(from, dims)) return gradient;
    const lead = from.length - dims.length;
    const axes = from.flatMap((size, i) => (i < lead || (dims[i - lead] === 1 && size !== 1) ? [i] : []));
    const rows = axes.every((axis, i) => axis === i) ? sizeOf(from.slice(0, axes.length)) : 1;
    const columns = sizeOf(from) / rows;
    if (rows < 8 || columns < 8) return this.reshape(this.sum(gradient, axes, true), dims);
    // Leading axes (the gradient of a bias): a product with ones takes half the time of ReduceSum.
    const ones = this.expand(this.float(1), [1, rows]);
    return this.reshape(this.op('MatMul', [ones, this.reshape(gradient, [rows, columns])]), dims);
  }
}

function same(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}

/** Attributes of the nodes that are emitted whose whole numbers are floats all the same. */
const FLOATS = new Set(['alpha', 'beta', 'epsilon', 'gamma', 'lambd', 'bias', 'ratio', 'momentum', 'scale']);

function toAttribute(name: string, value: PlainAttributes[string]): Attribute {
  if (typeof value === 'string') return attr.string(value);
  if (typeof value === 'number')
    return FLOATS.has(name) || !Number.isInteger(value) ? attr.float(value) : attr.int(value);
  if (Array.isArray(value)) return attr.ints(value as readonly number[]);
  return value as Attribute;
}
