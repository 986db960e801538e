import { fail } from '../base/index.ts';
import { DTYPES, type DType, sizeOf, Tensor, type TypedArray } from '../graph/index.ts';

interface ArrayByDType {
  bool: Uint8Array;
  uint8: Uint8Array;
  uint16: Uint16Array;
  uint32: Uint32Array;
  uint64: BigUint64Array;
  int8: Int8Array;
  int16: Int16Array;
  int32: Int32Array;
  int64: BigInt64Array;
  float32: Float32Array;
  float64: Float64Array;
  /** 16-bit floats by their bits. */
  float16: Uint16Array;
  bfloat16: Uint16Array;
}

/** The array that holds the elements of a dtype. */
export type ArrayOf<D> = D extends keyof ArrayByDType ? ArrayByDType[D] : TypedArray;

/** What a model takes and answers: dtypes by name. Given to `infer`, the compiler checks names and elements. */
export interface ModelType {
  readonly inputs: object;
  readonly outputs: object;
}

/** A model of which nothing is known. */
export interface AnyModel extends ModelType {
  readonly inputs: Record<string, DType>;
  readonly outputs: Record<string, DType>;
}

/** A tensor by its parts. */
export interface TensorParts<D = DType> {
  /** Default: that of the array, or string. bool, float16 and bfloat16 must be named. */
  readonly dtype?: D;
  readonly shape: readonly number[];
  /** Row-major; strings for the dtype string. */
  readonly data: D extends 'string'
    ? readonly string[]
    : ArrayOf<D> | (DType extends D ? readonly string[] : never);
}

/** What may be given for an input of a dtype. */
export type Given<D> = Tensor | TensorParts<D>;
export type InputsOf<M extends ModelType> = { readonly [K in keyof M['inputs']]: Given<M['inputs'][K]> };

/** A tensor whose elements have a type that is known. */
export type TensorOf<D> = { readonly dtype: D; data(): ArrayOf<D> } & Tensor;
export type OutputsOf<M extends ModelType> = {
  readonly [K in keyof M['outputs']]: TensorOf<M['outputs'][K]>;
};

const DTYPE_OF_ARRAY = new Map<unknown, DType>([
  [Float32Array, 'float32'],
  [Float64Array, 'float64'],
  [Int8Array, 'int8'],
  [Uint8Array, 'uint8'],
  [Int16Array, 'int16'],
  [Uint16Array, 'uint16'],
  [Int32Array, 'int32'],
  [Uint32Array, 'uint32'],
  [BigInt64Array, 'int64'],
  [BigUint64Array, 'uint64'],
]);

/** The tensor that was given. Throws FEED_MISMATCH where its parts do not fit together. */
export function tensorOf(name: string, given: Tensor | TensorParts): Tensor {
  if (given instanceof Tensor) return given;
  const { shape, data } = given;
  const refuse = (why: string) => fail('FEED_MISMATCH', `input ${name} ${why}`, { input: name });
  if (data.length !== sizeOf(shape)) {
    throw refuse(`is [${shape.join(', ')}], ${sizeOf(shape)} elements, and was given ${data.length}`);
  }
  if (!ArrayBuffer.isView(data)) {
    if (given.dtype !== undefined && given.dtype !== 'string') {
      throw refuse(`is ${given.dtype}: give its elements in a ${DTYPES[given.dtype].array.name}`);
    }
    return Tensor.ofStrings(shape, data as readonly string[]);
  }
  const dtype = given.dtype ?? DTYPE_OF_ARRAY.get(data.constructor);
  if (dtype === undefined || dtype === 'string' || !(data instanceof DTYPES[dtype].array)) {
    throw refuse(`was given a ${data.constructor.name}, which holds no ${dtype ?? 'dtype that is known'}`);
  }
  return Tensor.of(dtype, shape, data as TypedArray);
}
