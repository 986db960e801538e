import { fail } from '../../base/index.ts';
import { byteLengthOf, type DType, sizeOf } from '../../graph/index.ts';
import type { Port } from '../../run/index.ts';
import { batchAxes } from '../../staged/index.ts';
import type { BufferPool } from './buffers.ts';
import { ServiceCurve } from './curve.ts';
import type { RowInput } from './slabs.ts';
import { Slabs } from './slabs.ts';
import type { Group } from './work.ts';

/** An input of a request, by its shape. */
export interface InputShape {
  readonly name: string;
  readonly dtype: DType;
  readonly dims: readonly number[];
  /** Bytes of the whole input; undefined: strings. */
  readonly bytes: number | undefined;
  readonly axis: number | undefined;
}

/** Requests whose shapes agree but for the number of samples: they can share a batch. */
export interface Bucket {
  readonly group: Group;
  readonly slabs: Slabs;
  /** Inputs that are written into slabs. The others are each request's own until the batch is closed. */
  readonly inSlabs: ReadonlySet<string>;
  /** Requests under way. */
  users: number;
}

/** Shapes whose times are remembered though nobody asks at present. */
const REMEMBERED = 64;
/** Bytes of a slab of one input at most, so that one odd shape does not take all the memory. */
const SLAB_BYTES = 2 ** 26;

/** What shapes a model takes, and the buckets of those that were asked for. */
export class Shapes {
  readonly axes: Readonly<Record<string, number | undefined>>;
  /** False: each request is computed alone. */
  batchable: boolean;
  readonly maxBatch: number;
  readonly #inputs: readonly Port[];
  readonly #pool: BufferPool;
  readonly #buckets = new Map<string, Bucket>();
  /** The curve of the shape that was seen first: others begin from it. */
  #first: { readonly curve: ServiceCurve; readonly row: number } | undefined;

  constructor(inputs: readonly Port[], maxBatch: number, pool: BufferPool) {
    const { axes, fixed } = batchAxes(inputs);
    this.#inputs = inputs;
    this.axes = axes;
    this.batchable =
      maxBatch > 1 && fixed === undefined && inputs.every(({ name }) => axes[name] !== undefined);
    this.maxBatch = this.batchable ? maxBatch : 1;
    this.#pool = pool;
  }

  /** The curve that is shown. */
  get curve(): ServiceCurve | undefined {
    return this.#first?.curve;
  }

  /** The inputs of a request with the number of its samples. Throws FEED_MISMATCH. */
  check(shapes: Readonly<Record<string, readonly number[]>>): { inputs: InputShape[]; samples: number } {
    for (const name of Object.keys(shapes)) {
      if (!this.#inputs.some((port) => port.name === name)) throw mismatch(name, 'there is no such input');
    }
    let samples: number | undefined;
    const inputs = this.#inputs.map((port) => {
      const dims = shapes[port.name];
      if (dims === undefined) throw mismatch(port.name, 'it is missing');
      checkDims(port, dims);
      const axis = this.axes[port.name];
      if (axis !== undefined) {
        const own = dims[axis] ?? 0;
        if (own < 1) throw mismatch(port.name, `[${dims}] has no sample on axis ${axis}`);
        samples ??= own;
        if (own !== samples) throw mismatch(port.name, `it has ${own} samples, another input ${samples}`);
      }
      const bytes = port.dtype === 'string' ? undefined : byteLengthOf(port.dtype, sizeOf(dims));
      return { name: port.name, dtype: port.dtype, dims, bytes, axis };
    });
    return { inputs, samples: samples ?? 1 };
  }

  /** The bucket of a shape. */
  bucket(inputs: readonly InputShape[]): Bucket {
    const key = inputs
      .map(({ dims, axis }) => dims.map((dim, i) => (i === axis ? '*' : dim)).join('x'))
      .join(';');
    const known = this.#buckets.get(key);
    if (known !== undefined) {
      this.#buckets.delete(key);
      this.#buckets.set(key, known);
      return known;
    }
    const made = this.#make(inputs);
    this.#buckets.set(key, made);
    for (const [other, bucket] of this.#buckets) {
      if (this.#buckets.size <= REMEMBERED) break;
      if (bucket.users === 0 && bucket !== made) this.#buckets.delete(other);
    }
    return made;
  }

  #make(inputs: readonly InputShape[]): Bucket {
    const rows: RowInput[] = [];
    for (const { name, dims, bytes, axis } of inputs) {
      // In front of the samples nothing but ones: then they lie one after the other.
      if (!this.batchable || bytes === undefined || axis === undefined) continue;
      if (sizeOf(dims.slice(0, axis)) === 1) rows.push({ name, rowBytes: bytes / dims[axis]! });
    }
    const widest = rows.reduce((most, { rowBytes }) => Math.max(most, rowBytes), 1);
    const maxBatch = Math.max(1, Math.min(this.maxBatch, Math.floor(SLAB_BYTES / widest)));
    const curve = new ServiceCurve({ maxBatch });
    const row = rows.reduce((sum, { rowBytes }) => sum + rowBytes, 1);
    if (this.#first === undefined) this.#first = { curve, row };
    else
      for (const { batch, mean } of this.#first.curve.points())
        curve.observe(batch, (mean * row) / this.#first.row);
    return {
      group: { curve, maxBatch },
      slabs: new Slabs(this.#pool, rows, maxBatch),
      inSlabs: new Set(rows.map(({ name }) => name)),
      users: 0,
    };
  }
}

function checkDims(port: Port, dims: readonly number[]): void {
  if (!dims.every((dim) => Number.isSafeInteger(dim) && dim >= 0))
    throw mismatch(port.name, `[${dims}] is no shape`);
  if (port.shape === undefined) return;
  const fits = (dim: number | string | null, i: number) => typeof dim !== 'number' || dims[i] === dim;
  if (dims.length !== port.shape.length || !port.shape.every(fits)) {
    const wanted = port.shape.map((dim) => dim ?? '?').join(', ');
    throw mismatch(port.name, `it takes [${wanted}], not [${dims}]`);
  }
}

function mismatch(input: string, why: string) {
  return fail('FEED_MISMATCH', `input ${input}: ${why}`, { input });
}
