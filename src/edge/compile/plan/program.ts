import { fail } from '../../../base/index.ts';
import { sizeOf, type Tensor } from '../../../graph/index.ts';
import { Builder } from '../loop/builder.ts';
import type { Expr, LoopFunction } from '../loop/ir.ts';
import { Lanes } from '../loop/lanes.ts';
import { MathLibrary } from '../loop/math.ts';
import { bodyText } from '../loop/print.ts';
import { type Border, type Buffer, rowMajor, STORE_BYTES, type Store, type View } from './view.ts';

/** One kernel on given places of memory. */
export interface Step {
  /** The node that it belongs to. */
  readonly label: string;
  readonly fn: LoopFunction;
  readonly args: readonly { readonly buffer: Buffer; readonly offset: number }[];
}

/** The instruction sets that code is made for. */
export type Target = 'simd' | 'relaxed' | 'scalar';

/** Kernels in order, the functions that they share, and the memory that they touch. */
export class Program {
  readonly target: Target;
  readonly steps: Step[] = [];
  readonly buffers: Buffer[] = [];
  /** Floats at once, on this target. */
  readonly lanes: Lanes;
  readonly one = new Lanes(1);
  readonly math: MathLibrary;
  readonly mathOne: MathLibrary;
  readonly #functions = new Map<string, LoopFunction>();
  readonly #weights = new Map<string, Buffer>();
  readonly #names = new Map<string, number>();

  constructor(target: Target) {
    this.target = target;
    this.lanes = target === 'scalar' ? this.one : new Lanes(4);
    this.mathOne = new MathLibrary(this.one);
    this.math = target === 'scalar' ? this.mathOne : new MathLibrary(this.lanes);
  }

  /** The distinct functions of the kernels, in order of first use. */
  functions(): LoopFunction[] {
    return [...this.#functions.values()];
  }

  buffer(name: string, store: Store, bytes: number, rest: Partial<Buffer> = {}): Buffer {
    // Whole vectors may be written: room for the last one.
    const buffer: Buffer = {
      id: this.buffers.length,
      name,
      store,
      bytes: Math.ceil(bytes / 16) * 16,
      ...rest,
    };
    this.buffers.push(buffer);
    return buffer;
  }

  /** Room for a tensor, in the order of its axes. */
  plain(name: string, store: Store, dims: readonly number[], rest: Partial<Buffer> = {}): View {
    const buffer = this.buffer(name, store, sizeOf(dims) * STORE_BYTES[store], rest);
    return { buffer, offset: 0, dims, strides: rowMajor(dims) };
  }

  /** Room for [N, C, spatial...] with the channels last, and a border around the spatial axes. */
  channelsLast(name: string, store: Store, dims: readonly number[], border?: Border): View {
    const [batch = 1, channels = 1, ...spatial] = dims;
    const whole = spatial.map((dim, i) => dim + (border?.before[i] ?? 0) + (border?.after[i] ?? 0));
    const inner = rowMajor([batch, ...whole, channels]);
    const strides = [inner[0]!, 1, ...spatial.map((_, i) => inner[i + 1]!)];
    const buffer = this.buffer(name, store, batch * sizeOf(whole) * channels * STORE_BYTES[store]);
    const offset = spatial.reduce((sum, _, i) => sum + (border?.before[i] ?? 0) * strides[i + 2]!, 0);
    return { buffer, offset, dims, strides, ...(border !== undefined && { border }) };
  }

  /** Weights: equal ones are kept once. */
  constant(name: string, store: Store, dims: readonly number[], data: Uint8Array): View {
    const key = `${store}:${data.length}:${hash(data)}`;
    let buffer = this.#weights.get(key);
    if (buffer === undefined || !equal(buffer.data!, data)) {
      buffer = this.buffer(name, store, data.length, { data });
      this.#weights.set(key, buffer);
    }
    return { buffer, offset: 0, dims, strides: rowMajor(dims) };
  }

  floats(name: string, dims: readonly number[], values: Float32Array): View {
    return this.constant(name, 'f32', dims, bytesOf(values));
  }

  ints(name: string, values: Int32Array): View {
    return this.constant(name, 'i32', [values.length], bytesOf(values));
  }

  /** A kernel on the given views: `build` gets a pointer to the first element of each. Equal kernels are one function. */
  kernel(
    label: string,
    name: string,
    views: readonly View[],
    build: (b: Builder, pointers: Expr[]) => void,
  ): void {
    const b = new Builder();
    const pointers: Expr[] = [];
    const args: { buffer: Buffer; offset: number }[] = [];
    const known = new Map<string, Expr>();
    for (const { buffer, offset } of views) {
      const key = `${buffer.id}:${offset}`;
      let pointer = known.get(key);
      if (pointer === undefined) {
        pointer = b.param('i32', 'x');
        known.set(key, pointer);
        args.push({ buffer, offset: offset * STORE_BYTES[buffer.store] });
      }
      pointers.push(pointer);
    }
    build(b, pointers);
    const made = b.finish('');
    const text = bodyText(made);
    let fn = this.#functions.get(text);
    if (fn === undefined) {
      const count = (this.#names.get(name) ?? 0) + 1;
      this.#names.set(name, count);
      fn = { ...made, name: count === 1 ? name : `${name}_${count}` };
      this.#functions.set(text, fn);
    }
    this.steps.push({ label, fn, args });
  }
}

export function bytesOf(array: Float32Array | Int32Array | Int16Array | Int8Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** The elements of a float tensor. */
export function floatsOfTensor(tensor: Tensor): Float32Array {
  if (tensor.dtype !== 'float32') throw fail('INTERNAL', `floats of a ${tensor.dtype} tensor`);
  return tensor.as('float32');
}

function hash(bytes: Uint8Array): number {
  let sum = 2166136261;
  for (const byte of bytes) sum = Math.imul(sum ^ byte, 16777619);
  return sum >>> 0;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
