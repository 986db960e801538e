import { Tensor } from '../../../src/client/browser.ts';
import { fromHalf, toHalf } from '../../../src/data/half.ts';
import { DTYPES, type TypedArray } from '../../../src/graph/index.ts';
import { DATATYPES, type Datatype } from '../../../src/protocol/index.ts';

/** What a form holds for an input: numbers as people write them, or texts; the datatype by its name in the protocol. */
export interface Values {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data: ArrayLike<number> | readonly string[];
}

/** Of whole numbers; those of 64 bits are bounded by what a number here can say exactly. */
const BOUNDS: Readonly<Record<string, readonly [least: number, most: number]>> = {
  BOOL: [0, 1],
  UINT8: [0, 255],
  INT8: [-128, 127],
  UINT16: [0, 65535],
  INT16: [-32768, 32767],
  UINT32: [0, 2 ** 32 - 1],
  INT32: [-(2 ** 31), 2 ** 31 - 1],
  UINT64: [0, Number.MAX_SAFE_INTEGER],
  INT64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
};
const FLOATS = ['FP16', 'FP32', 'FP64'];

export function isNumeric(datatype: string): boolean {
  return isFloat(datatype) || BOUNDS[datatype] !== undefined;
}

export function isFloat(datatype: string): boolean {
  return FLOATS.includes(datatype);
}

/** What is wrong with a number for a datatype; undefined where it fits. */
export function misfit(datatype: string, value: number): string | undefined {
  const bounds = BOUNDS[datatype];
  if (bounds === undefined) return undefined;
  if (!Number.isInteger(value)) return `${datatype} takes whole numbers`;
  const [least, most] = bounds;
  if (value < least) return `${datatype} takes ${least} at least`;
  return value > most ? `${datatype} takes ${most} at most` : undefined;
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1);
}

/** The tensor of what a form holds. Throws where its datatype cannot be given in numbers or texts. */
export function tensorOf({ name, datatype, shape, data }: Values): Tensor {
  if (datatype === 'BYTES') return Tensor.ofStrings(shape, Array.from(data as readonly string[]));
  if (!isNumeric(datatype)) throw new Error(`${name}: ${datatype} cannot be given here`);
  const dtype = DATATYPES[datatype as Exclude<Datatype, 'BYTES'>];
  const size = sizeOf(shape);
  const array: TypedArray = new DTYPES[dtype].array(
    new ArrayBuffer(size * (DTYPES[dtype].bits / 8)),
    0,
    size,
  );
  for (let i = 0; i < size; i++) {
    const value = data[i] as number;
    if (datatype.endsWith('INT64')) array[i] = BigInt(value);
    else array[i] = datatype === 'FP16' ? toHalf(value) : value;
  }
  return Tensor.of(dtype, shape, array);
}

/** The elements of an answer: numbers, whole ones of 64 bits as they are, or texts. */
export function elementsOf(tensor: Tensor): ArrayLike<number | bigint | string> {
  if (tensor.dtype === 'string') return tensor.strings();
  const data = tensor.data() as ArrayLike<number | bigint>;
  return tensor.dtype === 'float16' ? Array.from(data as ArrayLike<number>, fromHalf) : data;
}
