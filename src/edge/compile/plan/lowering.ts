import { fail } from '../../../base/index.ts';
import {
  type DType,
  type Graph,
  type Inference,
  labelOf,
  type Node,
  sizeOf,
  type Tensor,
} from '../../../graph/index.ts';
import { clearBorder, copy, elementwise } from '../kernels/elementwise.ts';
import { Sink } from '../kernels/sink.ts';
import { type Hint, hintsOf } from './hints.ts';
import { bytesOf, type Program } from './program.ts';
import { scaledTree } from './requantize.ts';
import { constant, type Heavy, heaviesOf, leaf, replaceHeavies, sizeOfTree, type Tree } from './tree.ts';
import { dequantized, storeOf, type Value } from './value.ts';
import { type Border, isContiguous, type Store, type View } from './view.ts';

const PLAIN: Hint = { channelsLast: false };
/** A tree is computed at once when it has grown so large. */
const LARGEST_TREE = 40;

/** Values by name, where they lie and how they come there: what the rows of the operators work on. */
export class Lowering {
  readonly program: Program;
  readonly graph: Graph;
  readonly opset: number;
  readonly #inference: Inference;
  readonly #values = new Map<string, Value>();
  readonly #uses = new Map<string, number>();
  readonly #hints: ReadonlyMap<string, Hint>;
  /** The value whose tree a heavy stands in, while it waits. */
  readonly #waiting = new Map<Heavy, Value>();
  /** The node that is being lowered. */
  label = '';
  #order = 0;

  constructor(program: Program, graph: Graph, nodes: readonly Node[], inference: Inference, opset: number) {
    this.program = program;
    this.graph = graph;
    this.opset = opset;
    this.#inference = inference;
    for (const node of nodes) for (const name of node.inputs) this.#used(name);
    for (const { name } of graph.outputs) this.#used(name);
    this.#hints = hintsOf(graph, nodes, (name) => this.dimsOf(name));
    for (const [name, tensor] of graph.initializers) this.#values.set(name, this.constant(name, tensor));
  }

  #used(name: string): void {
    this.#uses.set(name, (this.#uses.get(name) ?? 0) + 1);
  }

  usesOf(name: string): number {
    return this.#uses.get(name) ?? 0;
  }

  /** The shape of a value of the graph where it is settled. */
  dimsOf(name: string): readonly number[] | undefined {
    const shape = this.#inference.get(name)?.shape;
    return shape?.every((dim) => typeof dim === 'number') ? (shape as number[]) : undefined;
  }

  /** Begins a node: what is emitted from here on belongs to it. */
  begin(node: Node): void {
    this.label = labelOf(node);
    this.#order += 1;
  }

  get order(): number {
    return this.#order;
  }

  constant(name: string, tensor: Tensor): Value {
    return { name, dims: tensor.dims, dtype: tensor.dtype, hint: PLAIN, constant: tensor };
  }

  /** A value of the graph that is there already. */
  value(name: string): Value {
    const value = this.#values.get(name);
    if (value === undefined) throw fail('INTERNAL', `"${name}" is read before it is made`);
    return value;
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** What an output of the node is to be: shape and dtype by the rules of the operators. */
  shell(name: string): { name: string; dims: readonly number[]; dtype: DType; hint: Hint } {
    const dims = this.dimsOf(name);
    const dtype = this.#inference.get(name)?.dtype;
    if (dims === undefined || dtype === undefined)
      throw fail('EDGE_DYNAMIC_SHAPE', `"${name}" has no settled shape`);
    if (sizeOf(dims) === 0) throw unsupported(`"${name}" holds no elements`);
    return { name, dims, dtype, hint: this.#hints.get(name) ?? PLAIN };
  }

  /** A value inside of an operator, in the order of its axes. */
  inner(dims: readonly number[], rest: Partial<Value>, dtype: DType = 'float32'): Value {
    return { name: `${this.label} inner`, dims, dtype, hint: PLAIN, ...rest };
  }

  /** Makes a value known. What several will read is computed at once. */
  define(value: Value): void {
    this.#values.set(value.name, value);
    this.claim(value);
    const waits = value.view === undefined && value.tree !== undefined && value.real === undefined;
    if (waits && (this.usesOf(value.name) > 1 || sizeOfTree(value.tree!) > LARGEST_TREE)) this.view(value);
  }

  /** Notes which value the kernels in a tree belong to, so that they can be run on their own. */
  claim(value: Value): void {
    if (value.tree?.kind === 'heavy') this.#waiting.set(value.tree.heavy, value);
  }

  /** The value as arithmetic over memory and waiting kernels. */
  tree(value: Value): Tree {
    if (value.view !== undefined) return leaf(value.view);
    if (value.constant !== undefined) {
      if (value.constant.size === 1) return constant(value.constant.numbers()[0]!);
      return leaf(this.view(value));
    }
    if (value.weights !== undefined) return leaf(this.view(value));
    return value.tree!;
  }

  store(value: Value): Store {
    if (value.quant !== undefined) return 'i16';
    const store = storeOf(value.dtype);
    if (store === undefined) throw unsupported(`numbers of type ${value.dtype}`);
    return store;
  }

  /** The value in memory. */
  view(value: Value): View {
    if (value.view !== undefined) return value.view;
    if (value.constant !== undefined) {
      value.view = this.#constantView(value);
      return value.view;
    }
    // Read by something that does not work on integers.
    if (value.weights !== undefined) {
      value.view = this.program.floats(value.name, value.dims, dequantized(value.weights));
      return value.view;
    }
    const out = this.allocate(value);
    this.write(value, out);
    value.view = out;
    delete value.tree;
    return out;
  }

  #constantView({ name, constant: tensor, dtype, dims }: Value): View {
    const store = storeOf(dtype);
    if (store === undefined) throw unsupported(`weights of type ${dtype}`);
    return this.program.constant(name, store, dims, tensor!.bytes());
  }

  allocate(value: Value): View {
    const { hint, dims, name } = value;
    const store = this.store(value);
    if (hint.channelsLast && dims.length >= 3 && dims.length <= 4) {
      const fits = hint.border !== undefined && hint.border.before.length === dims.length - 2;
      const view = this.program.channelsLast(name, store, dims, fits ? hint.border : undefined);
      clearBorder(this.program, this.label, view);
      return view;
    }
    return this.program.plain(name, store, dims);
  }

  /** Computes a value into a place that is already there. */
  write(value: Value, out: View): void {
    if (value.view !== undefined || value.constant !== undefined) {
      copy(this.program, this.label, this.view(value), out);
      return;
    }
    let tree = value.tree!;
    let quant = value.quant;
    const heavies = heaviesOf(tree).sort((a, b) => a.order - b.order);
    const fusing = heavies.findLast(
      ({ dims }) => dims.length === out.dims.length && dims.every((dim, i) => dim === out.dims[i]),
    );
    const wide = fusing !== undefined && (out.strides[fusing.axis] === 1 || out.dims[fusing.axis] === 1);
    tree = replaceHeavies(tree, (heavy) => (heavy === fusing && wide ? undefined : leaf(this.#run(heavy))));
    if (fusing !== undefined && wide) tree = this.#beside(tree, out, fusing.axis);
    if (quant !== undefined) {
      const scaled = fusing === undefined || !wide ? scaledTree(tree, 1 / quant.scale) : undefined;
      if (scaled !== undefined) [tree, quant] = [scaled, { ...quant, scale: 1 }];
    }
    const sink = new Sink(out, tree, quant);
    if (fusing !== undefined && wide) fusing.emit(sink);
    else if (tree.kind === 'leaf' && tree.view.buffer.store === out.buffer.store && quant === undefined) {
      copy(this.program, this.label, tree.view, out);
    } else elementwise(this.program, this.label, sink);
  }

  /** The tree with what its kernel reads lying side by side along the axis of the kernel's vectors. */
  #beside(tree: Tree, out: View, axis: number): Tree {
    if (tree.kind === 'op') return { ...tree, args: tree.args.map((arg) => this.#beside(arg, out, axis)) };
    if (tree.kind !== 'leaf') return tree;
    const { view } = tree;
    const own = axis - (out.dims.length - view.dims.length);
    if (own < 0 || view.dims[own] === 1 || view.strides[own] === 1) return tree;
    const { store } = view.buffer;
    const name = `${this.label} operand`;
    const last = own === 1 && view.dims.length >= 3;
    const copied = last
      ? this.program.channelsLast(name, store, view.dims)
      : this.program.plain(name, store, view.dims);
    copy(this.program, this.label, view, copied);
    return leaf(copied);
  }

  /** Runs a waiting kernel on its own. */
  #run(heavy: Heavy): View {
    const owner = this.#waiting.get(heavy);
    if (owner !== undefined && owner.tree?.kind === 'heavy') {
      const out = this.allocate({ ...owner, hint: heavy.axis === 1 ? { channelsLast: true } : PLAIN });
      heavy.emit(new Sink(out, owner.tree));
      owner.view = out;
      delete owner.tree;
      return out;
    }
    if (owner?.view !== undefined) return owner.view;
    throw fail('INTERNAL', `${this.label}: a kernel belongs to no value`);
  }

  /** The value with its elements one after another in the order of its axes. */
  contiguous(value: Value): View {
    const view = this.view(value);
    if (isContiguous(view)) return { ...view, border: undefined };
    const plain = this.program.plain(value.name, view.buffer.store, value.dims);
    copy(this.program, this.label, view, plain);
    return plain;
  }

  /** [N, C, H, W] with channels last and room around it; a tensor with one spatial axis gets a height of 1. */
  spatial(value: Value, before: readonly number[], after: readonly number[], fill: Border['fill']): View {
    const view = this.view(value);
    const [, channels = 1] = value.dims;
    const needs = [...before, ...after].some((pad) => pad > 0);
    const { border } = view;
    const covered =
      border?.fill === fill &&
      before.every((pad, i) => pad <= border.before[i]!) &&
      after.every((pad, i) => pad <= border.after[i]!);
    if ((view.strides[1] === 1 || channels === 1) && (!needs || covered)) return asImage(view);
    const bordered = this.program.channelsLast(value.name, view.buffer.store, value.dims, {
      before,
      after,
      fill,
    });
    if (needs) clearBorder(this.program, this.label, bordered);
    copy(this.program, this.label, view, bordered);
    return asImage(bordered);
  }

  /** A value computed by a kernel that can take in what follows it. */
  heavy(shell: Omit<Value, 'tree'>, axis: number, emit: (sink: Sink) => void): Value {
    const heavy: Heavy = { dims: shell.dims, axis, order: this.#order, emit };
    const value: Value = { ...shell, tree: { kind: 'heavy', heavy } };
    this.claim(value);
    return value;
  }

  /** Whole numbers as weights. */
  integers(values: readonly number[]): View {
    return this.program.constant(
      `${this.label} integers`,
      'i32',
      [values.length],
      bytesOf(Int32Array.from(values)),
    );
  }
}

function asImage(view: View): View {
  if (view.dims.length === 4) return view;
  const [n, c, w] = view.dims as [number, number, number];
  const [sn, sc, sw] = view.strides as [number, number, number];
  return { buffer: view.buffer, offset: view.offset, dims: [n, c, 1, w], strides: [sn, sc, 0, sw] };
}

export function unsupported(why: string, hint?: string): Error {
  return fail('EDGE_UNSUPPORTED', why, hint === undefined ? {} : { hint });
}
