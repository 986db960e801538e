import { fail, throwIfAborted } from '../base/index.ts';
import { byteLengthOf, sizeOf, Tensor } from '../graph/index.ts';
import type { Batch, Dataset, Field, ReadOptions } from './dataset.ts';

/** One sample, as raw little-endian bytes. */
export interface Sample {
  readonly index: number;
  /** One per wanted field, in the order of `Wanted.fields`. May be views that hold only until the next sample. */
  readonly values: readonly Uint8Array[];
  /** Present where the source has labels. */
  readonly label?: Uint8Array;
}

/** What a reader of a source asks for. */
export interface Wanted {
  /** Sample numbers, ascending; may be walked several times. */
  readonly indices: Iterable<number>;
  /** Positions in `fields`; may be empty. */
  readonly fields: readonly number[];
  readonly signal?: AbortSignal;
}

/** What a kind of data must answer; `datasetOf` makes the batches. */
export interface Source extends Omit<Dataset, 'read'> {
  samples(wanted: Wanted): AsyncIterable<Sample> | Iterable<Sample>;
}

/** A batch above this is refused: nothing sound asks for it, a damaged header may. */
const LARGEST_BATCH = 2 ** 31 - 1;

/** Makes a dataset of a source: checks what is asked for, and packs samples into batches. */
export function datasetOf(source: Source): Dataset {
  const { name, size, fields, labels, parts } = source;
  if (size === 0) throw fail('DATA_EMPTY', `${name} holds no samples`, { name });
  return { name, size, fields, labels, parts, read: (options = {}) => pack(source, options) };
}

async function* pack(source: Source, options: ReadOptions): AsyncGenerator<Batch> {
  const { batch = 32, signal } = options;
  if (!Number.isInteger(batch) || batch < 1) {
    throw fail('USAGE_BAD_OPTION', `a batch has at least one sample, not ${batch}`);
  }
  const total = options.indices?.length ?? source.size;
  const positions = positionsOf(source, options.fields);
  const fields = positions.map((position) => source.fields[position] as Field);
  const indices = { [Symbol.iterator]: () => checked(source, options.indices) };
  let packer: Packer | undefined;
  let done = 0;
  for await (const sample of source.samples({ indices, fields: positions, signal })) {
    throwIfAborted(signal);
    packer ??= new Packer(source, fields, Math.min(batch, total - done));
    packer.put(sample);
    if (!packer.full) continue;
    yield packer.batch();
    done += packer.room;
    packer = undefined;
  }
  if (packer !== undefined || done !== total) {
    throw fail('DATA_DAMAGED', `${source.name} ends after ${done} of ${total} samples`, {
      name: source.name,
    });
  }
}

function positionsOf(source: Source, names: readonly string[] | undefined): number[] {
  if (names === undefined) return source.fields.map((_, position) => position);
  return names.map((name) => {
    const position = source.fields.findIndex((field) => field.name === name);
    if (position < 0) throw fail('DATA_NAMES_MISMATCH', `${source.name} has no array named ${name}`);
    return position;
  });
}

function* checked(source: Source, indices: ReadOptions['indices']): Generator<number> {
  if (indices === undefined) {
    for (let i = 0; i < source.size; i++) yield i;
    return;
  }
  let last = -1;
  for (const index of indices) {
    if (!(Number.isInteger(index) && index > last && index < source.size)) {
      throw fail(
        'USAGE_BAD_OPTION',
        `sample ${index} after ${last}: numbers ascend and stay below ${source.size}`,
      );
    }
    last = index;
    yield index;
  }
}

/** Fills the buffers of one batch. */
class Packer {
  readonly room: number;
  readonly #source: Source;
  readonly #fields: readonly Field[];
  readonly #bytes: readonly Uint8Array[];
  readonly #labels: Uint8Array | undefined;
  readonly #indices: number[] = [];

  constructor(source: Source, fields: readonly Field[], room: number) {
    this.#source = source;
    this.#fields = fields;
    this.room = room;
    this.#bytes = fields.map((field) => allocate(field, room));
    this.#labels = source.labels && allocate({ name: 'labels', ...source.labels }, room);
  }

  get full(): boolean {
    return this.#indices.length === this.room;
  }

  put(sample: Sample): void {
    const at = this.#indices.length;
    for (let f = 0; f < this.#bytes.length; f++)
      this.#set(this.#bytes[f]!, sample.values[f], at, sample.index);
    if (this.#labels) this.#set(this.#labels, sample.label, at, sample.index);
    this.#indices.push(sample.index);
  }

  #set(into: Uint8Array, value: Uint8Array | undefined, at: number, index: number): void {
    const width = into.byteLength / this.room;
    if (value?.byteLength !== width) {
      const why = `sample ${index} of ${this.#source.name} takes ${value?.byteLength ?? 0} bytes, not ${width}`;
      throw fail('DATA_DAMAGED', why, { name: this.#source.name, sample: index });
    }
    into.set(value, at * width);
  }

  batch(): Batch {
    const feeds: Record<string, Tensor> = {};
    for (const [f, { name, dtype, dims }] of this.#fields.entries()) {
      feeds[name] = Tensor.ofBytes(dtype, [this.room, ...dims], this.#bytes[f]!);
    }
    const { labels } = this.#source;
    if (labels === undefined || this.#labels === undefined) return { indices: this.#indices, feeds };
    const tensor = Tensor.ofBytes(labels.dtype, [this.room, ...labels.dims], this.#labels);
    return { indices: this.#indices, feeds, labels: tensor };
  }
}

function allocate(field: Field, room: number): Uint8Array {
  const bytes = sampleBytes(field) * room;
  if (!(bytes <= LARGEST_BATCH)) {
    const why = `${room} samples of ${field.name} ${field.dtype}[${field.dims}] take ${bytes} bytes, over 2 GiB`;
    throw fail('DATA_SHAPE_MISMATCH', why, { hint: 'Ask for a smaller batch.' });
  }
  return new Uint8Array(bytes);
}

/** Bytes of one sample of a field. */
export function sampleBytes({ dtype, dims }: Pick<Field, 'dtype' | 'dims'>): number {
  return byteLengthOf(dtype, sizeOf(dims));
}
