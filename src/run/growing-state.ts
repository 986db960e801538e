import * as ort from 'onnxruntime-node';
import { DTYPES, type DType, type DTypeRow } from '../graph/index.ts';
import type { GrownValue, Packed, Request } from './messages.ts';
import { type OrtInstance, pack, unpackFeeds } from './ort-instance.ts';

/** Room for one value: two buffers that take turns, and its sizes around the axis along which it grows. */
interface Room {
  readonly value: GrownValue;
  readonly buffers: readonly [ArrayBuffer, ArrayBuffer];
  /** Product of the sizes before the axis, and after it. */
  readonly outer: number;
  readonly inner: number;
}

/**
 * Values that grow by some places at every step, such as the keys and values of a language model. Both buffers are as large as they
 * will ever be: a step reads the one and writes the other, longer by what is new, and nothing is allocated or copied in JavaScript.
 */
export class GrowingState {
  readonly #instance: OrtInstance;
  readonly #values: readonly GrownValue[];
  readonly #capacity: number;
  #rooms: readonly Room[] = [];
  #length = 0;
  #now: 0 | 1 = 0;
  #batch = 0;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(instance: OrtInstance, { values, capacity }: Extract<Request, { kind: 'grow' }>) {
    this.#instance = instance;
    this.#values = values;
    this.#capacity = capacity;
  }

  /** Empties it, for sequences of this number. */
  reset(batch: number): Promise<undefined> {
    return this.#after(async () => {
      if (batch !== this.#batch) this.#rooms = this.#values.map((value) => this.#room(value, batch));
      this.#batch = batch;
      this.#length = 0;
      return undefined;
    });
  }

  /** A run that makes every value longer by `grows`. */
  advance(
    feeds: Packed,
    grows: number,
    outputs: readonly string[],
    transfer: ArrayBuffer[],
  ): Promise<Packed> {
    return this.#after(async () => {
      const to = this.#length + grows;
      const given: Record<string, ort.Tensor> = unpackFeeds(feeds);
      const fetches: Record<string, ort.Tensor | null> = {};
      for (const name of outputs) fetches[name] = null;
      for (const room of this.#rooms) {
        given[room.value.input] = this.#view(room, this.#now, this.#length);
        fetches[room.value.output] = this.#view(room, this.#now === 0 ? 1 : 0, to);
      }
      const found = await this.#instance.runInto(given, fetches);
      this.#now = this.#now === 0 ? 1 : 0;
      this.#length = to;
      const packed: Packed = {};
      for (const name of outputs) packed[name] = pack(found[name] as ort.Tensor, transfer);
      return packed;
    });
  }

  /** Forgets what lies after the first `length` places. */
  truncate(length: number): Promise<undefined> {
    return this.#after(async () => {
      for (const { value, buffers, outer, inner } of this.#rooms) {
        const width = inner * bytesOf(value.dtype);
        const bytes = new Uint8Array(buffers[this.#now]);
        for (let row = 1; row < outer; row++) {
          const from = row * this.#length * width;
          bytes.copyWithin(row * length * width, from, from + length * width);
        }
      }
      this.#length = length;
      return undefined;
    });
  }

  #room(value: GrownValue, batch: number): Room {
    const sizes = value.dims.map((size) => size ?? batch);
    const product = (from: number, to: number) => sizes.slice(from, to).reduce((all, size) => all * size, 1);
    const outer = product(0, value.axis);
    const inner = product(value.axis + 1, sizes.length);
    const bytes = outer * this.#capacity * inner * bytesOf(value.dtype);
    return { value, buffers: [new ArrayBuffer(bytes), new ArrayBuffer(bytes)], outer, inner };
  }

  #view({ value, buffers, outer, inner }: Room, which: 0 | 1, length: number): ort.Tensor {
    const dims = value.dims.map((size, axis) => (axis === value.axis ? length : (size ?? this.#batch)));
    const { array } = DTYPES[value.dtype] as DTypeRow;
    const data = new array(buffers[which], 0, outer * length * inner);
    return new ort.Tensor(value.dtype as 'float32', data as Float32Array, dims);
  }

  #after<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => {});
    return turn;
  }
}

function bytesOf(dtype: DType): number {
  return DTYPES[dtype].bits / 8;
}
