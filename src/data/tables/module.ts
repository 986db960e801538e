import { basename, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createJiti } from 'jiti';
import { fail, ModicumError, messageOf } from '../../base/index.ts';
import { type DType, sizeOf, Tensor } from '../../graph/index.ts';
import { cast } from '../cast.ts';
import type { Dataset, Field } from '../dataset.ts';
import { labelTensor } from '../labels.ts';
import { datasetOf, type Wanted } from '../source.ts';
import { shapeOf, tensorOf } from './values.ts';

/** A value of one sample: a tensor, numbers, or nested lists of numbers. */
export type ModuleValue = Tensor | number | bigint | ArrayLike<unknown>;

/** One sample as a module gives it. */
export interface ModuleSample {
  readonly feeds: Readonly<Record<string, ModuleValue>>;
  readonly label?: ModuleValue;
}

/** What a module may export as its default instead of a whole Dataset: samples by number. */
export interface ModuleDataset {
  readonly name?: string;
  readonly size: number;
  /** Default: as the first sample shows, with float32 for plain numbers. */
  readonly fields?: readonly Field[];
  readonly classes?: readonly string[];
  get(index: number): ModuleSample | Promise<ModuleSample>;
}

type Stream = () => AsyncIterable<ModuleSample> | Iterable<ModuleSample>;

/**
 * A TypeScript or JavaScript module. Its default export is a Dataset, an object {size, get(index)}, a function that
 * returns one of them (perhaps later), or a generator function of samples, which is walked once to count them.
 */
export async function openModule(path: string): Promise<Dataset> {
  const name = basename(path);
  const exported = await load(path, name);
  const value = typeof exported === 'function' ? await called(exported as () => unknown, name) : exported;
  if (isDataset(value)) return value;
  if (isModuleDataset(value)) return fromGet(value, value.name ?? name);
  if (isStream(value)) return fromStream(exported as Stream, name);
  const why = `${name}: its default export is no dataset`;
  throw fail('DATA_FORMAT_UNKNOWN', why, {
    hint: 'Export a Dataset, {size, get(index)}, or a generator of samples.',
  });
}

async function load(path: string, name: string): Promise<unknown> {
  const jiti = createJiti(pathToFileURL(resolve(path)).href, { moduleCache: false, fsCache: false });
  try {
    return await jiti.import(resolve(path), { default: true });
  } catch (cause) {
    throw fail(
      'DATA_DAMAGED',
      `${name}: ${messageOf(cause)}`,
      { name, hint: 'Run the module alone.' },
      cause,
    );
  }
}

async function called<T>(work: () => T, name: string): Promise<Awaited<T>> {
  try {
    return await work();
  } catch (cause) {
    throw ours(cause) ? cause : fail('DATA_DAMAGED', `${name} failed: ${messageOf(cause)}`, { name }, cause);
  }
}

function ours(cause: unknown): boolean {
  return cause instanceof ModicumError || (cause as { name?: string } | null)?.name === 'AbortError';
}

function isObject(value: unknown): value is Record<PropertyKey, unknown> {
  return typeof value === 'object' && value !== null;
}

function isDataset(value: unknown): value is Dataset {
  return (
    isObject(value) && typeof value.read === 'function' && typeof value.size === 'number' && 'fields' in value
  );
}

function isModuleDataset(value: unknown): value is ModuleDataset {
  return isObject(value) && typeof value.get === 'function' && typeof value.size === 'number';
}

function isStream(value: unknown): boolean {
  return isObject(value) && (Symbol.asyncIterator in value || Symbol.iterator in value);
}

async function fromGet(module: ModuleDataset, name: string): Promise<Dataset> {
  const { size, classes } = module;
  if (!Number.isInteger(size) || size < 0)
    throw fail('DATA_DAMAGED', `${name} has a size of ${size}`, { name });
  if (size === 0) throw fail('DATA_EMPTY', `${name} has no samples`, { name });
  const get = async (index: number) => called(() => module.get(index), `sample ${index} of ${name}`);
  return fromSamples(name, size, await get(0), module.fields, classes, async function* ({ indices }) {
    for (const index of indices) yield [index, await get(index)];
  });
}

async function fromStream(make: Stream, name: string): Promise<Dataset> {
  let size = 0;
  let first: ModuleSample | undefined;
  await called(async () => {
    for await (const sample of make()) {
      first ??= sample;
      size++;
    }
  }, name);
  if (first === undefined) throw fail('DATA_EMPTY', `${name} yields no samples`, { name });
  return fromSamples(name, size, first, undefined, undefined, async function* ({ indices }) {
    const wanted = indices[Symbol.iterator]();
    let next = wanted.next();
    let index = 0;
    for await (const sample of make()) {
      if (next.done) return;
      if (index === next.value) {
        yield [index, sample];
        next = wanted.next();
      }
      index++;
    }
  });
}

function fromSamples(
  name: string,
  size: number,
  first: ModuleSample,
  declared: readonly Field[] | undefined,
  classes: readonly string[] | undefined,
  walk: (wanted: Wanted) => AsyncIterable<[number, ModuleSample]>,
): Dataset {
  checkSample(first, `sample 0 of ${name}`);
  const fields =
    declared ?? Object.entries(first.feeds).map(([field, value]) => ({ name: field, ...described(value) }));
  const label = first.label === undefined ? undefined : labelOf(first.label, name);
  return datasetOf({
    name,
    size,
    fields,
    labels: label && { dtype: label.dtype, dims: label.dims, classes },
    async *samples(wanted) {
      for await (const [index, sample] of guarded(walk(wanted), name)) {
        const where = `sample ${index} of ${name}`;
        checkSample(sample, where);
        const values = wanted.fields.map((position) => {
          const field = fields[position]!;
          return encode(sample.feeds[field.name], field, `${where}, ${field.name}`).bytes();
        });
        if (label === undefined) yield { index, values };
        else
          yield {
            index,
            values,
            label: encode(labelOf(sample.label, where), label, `${where}, label`).bytes(),
          };
      }
    },
  });
}

function checkSample(sample: unknown, where: string): void {
  if (isObject(sample) && isObject(sample.feeds)) return;
  throw fail('DATA_DAMAGED', `${where} is not {feeds: {name: values}, label?}`, { where });
}

/** Says whose error it is that a module throws while it is walked. */
async function* guarded<T>(items: AsyncIterable<T>, name: string): AsyncGenerator<T> {
  try {
    yield* items;
  } catch (cause) {
    throw ours(cause) ? cause : fail('DATA_DAMAGED', `${name} failed: ${messageOf(cause)}`, { name }, cause);
  }
}

function described(value: ModuleValue): { dtype: DType; dims: readonly number[] } {
  if (value instanceof Tensor) return value;
  return {
    dtype: typeof value === 'bigint' || value instanceof BigInt64Array ? 'int64' : 'float32',
    dims: shapeOf(value),
  };
}

function encode(value: unknown, { dtype, dims }: Pick<Field, 'dtype' | 'dims'>, where: string): Tensor {
  if (!(value instanceof Tensor)) {
    const flat = shapeOf(value).length === 1 ? [sizeOf(dims)] : dims;
    return tensorOf(value, dtype, flat, where);
  }
  if (String(value.dims) !== String(dims)) {
    throw fail('DATA_SHAPE_MISMATCH', `${where} is [${value.dims}], others [${dims}]`);
  }
  return cast(value, dtype, where);
}

function labelOf(label: unknown, where: string): Tensor {
  if (label === undefined) throw fail('DATA_NO_LABELS', `${where} has no label`);
  if (label instanceof Tensor) return labelTensor(label, where);
  const dims = shapeOf(label);
  const whole = typeof label === 'bigint' || Number.isSafeInteger(label);
  return tensorOf(label, whole ? 'int64' : 'float32', dims, where);
}
