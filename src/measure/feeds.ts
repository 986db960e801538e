import { fail, Random } from '../base/index.ts';
import { DTYPES, type DType, sizeOf, Tensor } from '../graph/index.ts';
import type { Feeds, Port } from '../run/index.ts';

export interface RandomFeedOptions {
  /** Samples in a batch: what an open first axis becomes. Default 1. */
  readonly batch?: number;
  /** The same seed gives the same values. Default 1. */
  readonly seed?: number;
  /** Sizes of named dimensions (`sequence: 128`); they come before `batch`. */
  readonly bindings?: Readonly<Record<string, number>>;
  /** Integers of an input lie in [low, high); default [0, 2), which suits any table of embeddings, and [0, 256) for uint8. */
  readonly ranges?: Readonly<Record<string, readonly [low: number, high: number]>>;
}

/**
 * The symbols that stand for the batch: names of an open first axis. They mean the batch wherever they occur
 * (a recurrent state is [layers, batch, features]).
 */
function batchSymbols(inputs: readonly Port[]): Set<string> {
  const symbols = new Set<string>();
  for (const { shape } of inputs) if (typeof shape?.[0] === 'string') symbols.add(shape[0]);
  return symbols;
}

/** True where the first axis of some input is open, so that samples can share a run. */
export function canBatch(inputs: readonly Port[]): boolean {
  return inputs.some(({ shape }) => shape !== undefined && shape.length > 0 && typeof shape[0] !== 'number');
}

/** Samples per run that a model asks for: the fixed first axis its inputs agree on, else 1 (`canBatch` then says if more fit). */
export function fixedBatch(inputs: readonly Port[]): number {
  const firsts = inputs.flatMap(({ shape }) => (shape && shape.length > 1 ? [shape[0]] : []));
  const first = firsts[0];
  return typeof first === 'number' && firsts.every((dim) => dim === first) ? Math.max(1, first) : 1;
}

/**
 * The shape an input takes: fixed dimensions stay, bound names get their size, the batch `batch`, all else 1.
 * Throws FEED_MISMATCH where not even the rank is known.
 */
export function concreteShape(
  port: Port,
  inputs: readonly Port[],
  options: RandomFeedOptions = {},
): number[] {
  const { batch = 1, bindings = {} } = options;
  if (port.shape === undefined) {
    throw fail(
      'FEED_MISMATCH',
      `the model does not say the rank of input ${port.name}, so none can be made up`,
      {
        hint: 'Give data.',
      },
    );
  }
  const symbols = batchSymbols(inputs);
  return port.shape.map((dim, axis) => {
    if (typeof dim === 'number') return dim;
    if (dim !== null && Object.hasOwn(bindings, dim)) return bindings[dim]!;
    return (dim === null ? axis === 0 : symbols.has(dim)) ? batch : 1;
  });
}

/**
 * Made-up inputs of the right names, dtypes and shapes, for measuring speed without data. Floats are standard normal
 * (8 and 16-bit floats positive, around 1), integers lie in `ranges`, an integer or boolean input named like a mask is all ones,
 * strings are 'a'. Throws FEED_MISMATCH where a rank is unknown, USAGE_BAD_OPTION for a batch or binding that is no size.
 */
export function randomFeeds(inputs: readonly Port[], options: RandomFeedOptions = {}): Feeds {
  for (const [name, size] of Object.entries({ batch: options.batch ?? 1, ...options.bindings })) {
    if (!Number.isSafeInteger(size) || size < 1) {
      throw fail('USAGE_BAD_OPTION', `${name} must be a whole number of 1 or more, not ${size}`);
    }
  }
  const random = new Random(options.seed ?? 1);
  const feeds: Record<string, Tensor> = {};
  for (const port of inputs) {
    const dims = concreteShape(port, inputs, options);
    feeds[port.name] = randomTensor(port, dims, random, options.ranges?.[port.name]);
  }
  return feeds;
}

const DEFAULT_RANGES: Partial<Record<DType, readonly [number, number]>> = {
  uint8: [0, 256],
  int8: [-128, 128],
};

function randomTensor(
  port: Port,
  dims: readonly number[],
  random: Random,
  range: readonly [number, number] | undefined,
): Tensor {
  const { dtype } = port;
  const size = sizeOf(dims);
  if (dtype === 'string') return Tensor.ofStrings(dims, new Array<string>(size).fill('a'));
  const bytes = new Uint8Array(Math.ceil((size * DTYPES[dtype].bits) / 8));
  const tensor = Tensor.ofBytes(dtype, dims, bytes);
  const data = tensor.data();
  if (dtype === 'float32' || dtype === 'float64' || dtype.startsWith('complex')) {
    for (let i = 0; i < data.length; i++) data[i] = random.normal();
  } else if (dtype === 'float16') {
    // Exponent 13 or 14 of 15: values in [0.25, 1).
    for (let i = 0; i < data.length; i++) data[i] = ((13 + random.below(2)) << 10) | random.below(1024);
  } else if (dtype === 'bfloat16') {
    for (let i = 0; i < data.length; i++) data[i] = ((125 + random.below(2)) << 7) | random.below(128);
  } else if (DTYPES[dtype].bits < 8 || dtype.startsWith('float8')) {
    // Sub-byte types pack several elements a byte: any bits are values. 0..0x3f are small finite numbers in every 8-bit float.
    for (let i = 0; i < data.length; i++) data[i] = random.below(dtype.startsWith('float8') ? 0x40 : 0x100);
  } else {
    const mask = range === undefined && dtype !== 'uint8' && /mask/i.test(port.name);
    const [low, high] = range ?? DEFAULT_RANGES[dtype] ?? [0, 2];
    const wide = data instanceof BigInt64Array || data instanceof BigUint64Array;
    for (let i = 0; i < data.length; i++) {
      const value = mask ? 1 : low + random.below(Math.max(1, high - low));
      data[i] = wide ? BigInt(value) : value;
    }
  }
  return tensor;
}
