import * as ort from 'onnxruntime-node';
import { fail, messageOf } from '../base/index.ts';
import { DTYPES, type DType, type DTypeRow } from '../graph/index.ts';
import { packFeeds, unpackFetches } from './feeds.ts';
import type { Gate } from './gate.ts';
import type { ModelSource, Packed, PortInfo } from './messages.ts';
import { failure, refusal } from './ort-errors.ts';
import { OrtInstance, pack, unpackFeeds } from './ort-instance.ts';
import type { Feeds, Fetches } from './session.ts';
import { resolveSettings, type SessionSettings } from './settings.ts';

export interface GrowingOptions {
  /** Input to the output that feeds it at the next step, longer along `axis` by what the step adds. */
  readonly carry: Readonly<Record<string, string>>;
  /** The axis along which the values grow; their other free axis, if any, is the batch. */
  readonly axis: number;
  /** The most places that they get. Memory for them is taken at once, twice. */
  readonly capacity: number;
  readonly settings?: Partial<Omit<SessionSettings, 'instances'>>;
}

/**
 * A model that keeps growing values, as the keys and values of a language model, in the thread that opened it. Every value has two
 * buffers, as large as they will ever be, that take turns: a step reads the one and writes the other, and nothing is allocated or
 * copied in JavaScript. Steps are computed in the order of the calls.
 */
export interface GrowingSession {
  /** What a step may answer: the outputs that are not kept. */
  readonly outputs: readonly string[];
  readonly capacity: number;
  /** Places that the values have, once all steps asked for are done. */
  readonly length: number;
  /** Empties the values, for a batch of this size. Needed before the first step. */
  reset(batch: number): void;
  /**
   * A run that lengthens the values by `grows` places. The feeds are given away. Throws CONTEXT_FULL beyond the capacity,
   * USAGE_BAD_OPTION, FEED_MISMATCH and RUNTIME_FAILED (reset it then, the values are lost).
   */
  step(feeds: Feeds, grows: number, outputs?: readonly string[]): Promise<Fetches>;
  /** Keeps the first places only; no step may be under way. */
  truncate(length: number): void;
  dispose(): Promise<void>;
}

/** Opens a model in this thread. Throws RUNTIME_REFUSED, and USAGE_BAD_OPTION where it has not what `carry` names. */
export async function openGrowing(
  source: ModelSource,
  options: GrowingOptions,
  gate?: Gate,
): Promise<GrowingSession> {
  const settings = resolveSettings({ ...options.settings, instances: 1 });
  const instance = await OrtInstance.open(source, settings, {}, gate).catch((cause) => {
    throw refusal(messageOf(cause), settings, cause);
  });
  try {
    return new Growing(instance, options);
  } catch (cause) {
    await instance.release();
    throw cause;
  }
}

/** A value that grows, and its room. */
interface Value {
  readonly input: string;
  readonly output: string;
  readonly dtype: DType;
  /** Fixed sizes; null along the axis of growth and where the batch stands. */
  readonly dims: readonly (number | null)[];
  buffers: readonly [ArrayBuffer, ArrayBuffer];
}

class Growing implements GrowingSession {
  readonly outputs: readonly string[];
  readonly capacity: number;
  readonly #instance: OrtInstance;
  readonly #axis: number;
  readonly #values: Value[];
  #batch = 0;
  #ready = false;
  #length = 0;
  #now: 0 | 1 = 0;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(instance: OrtInstance, { carry, axis, capacity }: GrowingOptions) {
    const { inputs, outputs } = instance.ports();
    const back = new Set(Object.values(carry));
    this.#instance = instance;
    this.#axis = axis;
    this.capacity = capacity;
    this.outputs = outputs.map(({ name }) => name).filter((name) => !back.has(name));
    this.#values = Object.entries(carry).map(([input, output]) =>
      grownValue(inputs, outputs, input, output, axis),
    );
  }

  get length(): number {
    return this.#length;
  }

  reset(batch: number): void {
    if (batch !== this.#batch) {
      for (const value of this.#values) {
        const bytes = this.#sizeOf(value, batch, this.capacity) * bytesOf(value.dtype);
        value.buffers = [new ArrayBuffer(bytes), new ArrayBuffer(bytes)];
      }
    }
    this.#batch = batch;
    this.#length = 0;
    this.#ready = true;
  }

  async step(feeds: Feeds, grows: number, outputs: readonly string[] = this.outputs): Promise<Fetches> {
    if (!this.#ready) throw fail('USAGE_BAD_OPTION', 'reset it for a batch before the first step');
    const from = this.#length;
    const to = from + grows;
    if (to > this.capacity) {
      const why = `${from} tokens and ${grows} more, room for ${this.capacity}`;
      throw fail('CONTEXT_FULL', why, { length: from, grows, capacity: this.capacity });
    }
    this.#length = to;
    const turn = this.#turn.then(() => this.#run(feeds, from, to, outputs));
    this.#turn = turn.catch(() => {});
    return turn;
  }

  truncate(length: number): void {
    if (!Number.isInteger(length) || length < 0 || length > this.#length) {
      throw fail('USAGE_BAD_OPTION', `there are ${this.#length} places, not ${length}`);
    }
    for (const value of this.#values) {
      const outer = product(this.#sizes(value, this.#batch).slice(0, this.#axis));
      const width = (this.#sizeOf(value, this.#batch, 1) / outer) * bytesOf(value.dtype);
      const bytes = new Uint8Array(value.buffers[this.#now]);
      for (let row = 1; row < outer; row++) {
        const from = row * this.#length * width;
        bytes.copyWithin(row * length * width, from, from + length * width);
      }
    }
    this.#length = length;
  }

  dispose(): Promise<void> {
    this.#ready = false;
    return this.#turn.then(() => this.#instance.release());
  }

  async #run(feeds: Feeds, from: number, to: number, outputs: readonly string[]): Promise<Fetches> {
    const given: Record<string, ort.Tensor> = unpackFeeds(packFeeds(feeds, true).packed);
    const fetches: Record<string, ort.Tensor | null> = {};
    for (const name of outputs) fetches[name] = null;
    const next = this.#now === 0 ? 1 : 0;
    for (const value of this.#values) {
      given[value.input] = this.#view(value, this.#now, from);
      fetches[value.output] = this.#view(value, next, to);
    }
    try {
      const found = await this.#instance.runInto(given, fetches);
      this.#now = next;
      const packed: Packed = {};
      for (const name of outputs) packed[name] = pack(found[name] as ort.Tensor, []);
      return unpackFetches(packed);
    } catch (cause) {
      this.#ready = false;
      throw failure(messageOf(cause), cause);
    }
  }

  #sizes({ dims }: Value, batch: number): number[] {
    return dims.map((size, axis) => (axis === this.#axis ? 1 : (size ?? batch)));
  }

  #sizeOf(value: Value, batch: number, length: number): number {
    return product(this.#sizes(value, batch)) * length;
  }

  #view(value: Value, which: 0 | 1, length: number): ort.Tensor {
    const dims = this.#sizes(value, this.#batch);
    dims[this.#axis] = length;
    const { array } = DTYPES[value.dtype] as DTypeRow;
    const data = new array(value.buffers[which], 0, product(dims));
    return new ort.Tensor(value.dtype as 'float32', data as Float32Array, dims);
  }
}

function grownValue(
  inputs: readonly PortInfo[],
  outputs: readonly PortInfo[],
  input: string,
  output: string,
  axis: number,
): Value {
  const from = inputs.find(({ name }) => name === input)?.tensor;
  const to = outputs.find(({ name }) => name === output)?.tensor;
  if (from === undefined || from.dtype !== to?.dtype || from.shape.length <= axis) {
    const why = `"${input}" and "${output}" are no input and output of one dtype with an axis ${axis} to carry`;
    throw fail('USAGE_BAD_OPTION', why);
  }
  const dims = from.shape.map((dim, at) => (typeof dim === 'number' && at !== axis ? dim : null));
  const none = new ArrayBuffer(0);
  return { input, output, dtype: from.dtype, dims, buffers: [none, none] };
}

function product(sizes: readonly number[]): number {
  return sizes.reduce((all, size) => all * size, 1);
}

function bytesOf(dtype: DType): number {
  return DTYPES[dtype].bits / 8;
}
