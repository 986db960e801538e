import { fail } from '../base/index.ts';
import { byteLengthOf, DTYPES, type DType, type DTypeRow, sizeOf, type TypedArray } from './dtype.ts';

/** Bytes that are fetched when first asked for: a slice of a file of external weights, say. */
export interface ByteSource {
  readonly byteLength: number;
  /** Little endian, as raw_data. Need not be kept by the source: each call may read anew. */
  read(): Uint8Array;
}

type Payload =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'source'; readonly source: ByteSource }
  | { readonly kind: 'strings'; readonly strings: readonly string[] };

interface ArrayOf {
  float32: Float32Array;
  float64: Float64Array;
  int8: Int8Array;
  uint8: Uint8Array;
  bool: Uint8Array;
  int16: Int16Array;
  uint16: Uint16Array;
  int32: Int32Array;
  uint32: Uint32Array;
  int64: BigInt64Array;
  uint64: BigUint64Array;
}

/**
 * A dense array of one dtype: a weight, an input or an answer. Immutable by agreement: nobody writes into
 * `bytes` or `data` of a tensor that it did not make. Weights from a file are views into it, external ones are read when asked for.
 */
export class Tensor {
  readonly dtype: DType;
  /** Shape; [] is a scalar. */
  readonly dims: readonly number[];
  readonly #payload: Payload;

  private constructor(dtype: DType, dims: readonly number[], payload: Payload) {
    this.dtype = dtype;
    this.dims = dims;
    this.#payload = payload;
  }

  /** From raw_data bytes (little endian, packed); their number must fit the shape. */
  static ofBytes(dtype: DType, dims: readonly number[], bytes: Uint8Array): Tensor {
    const wanted = byteLengthOf(dtype, sizeOf(dims));
    if (dtype === 'string' || bytes.byteLength !== wanted) {
      throw fail('MODEL_INVALID', `${dtype}[${dims}] takes ${wanted} bytes, not ${bytes.byteLength}`);
    }
    return new Tensor(dtype, dims, { kind: 'bytes', bytes });
  }

  /** From bytes fetched when first needed. */
  static ofSource(dtype: DType, dims: readonly number[], source: ByteSource): Tensor {
    const wanted = byteLengthOf(dtype, sizeOf(dims));
    if (source.byteLength !== wanted) {
      throw fail('MODEL_INVALID', `${dtype}[${dims}] takes ${wanted} bytes, not ${source.byteLength}`);
    }
    return new Tensor(dtype, dims, { kind: 'source', source });
  }

  static ofStrings(dims: readonly number[], strings: readonly string[]): Tensor {
    if (strings.length !== sizeOf(dims)) {
      throw fail('MODEL_INVALID', `string[${dims}] takes ${sizeOf(dims)} strings, not ${strings.length}`);
    }
    return new Tensor('string', dims, { kind: 'strings', strings });
  }

  /** From a typed array, which is kept and not copied. */
  static of(dtype: Exclude<DType, 'string'>, dims: readonly number[], data: TypedArray): Tensor {
    return Tensor.ofBytes(dtype, dims, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }

  static float32(dims: readonly number[], values: ArrayLike<number>): Tensor {
    return Tensor.of('float32', dims, values instanceof Float32Array ? values : Float32Array.from(values));
  }

  static int64(dims: readonly number[], values: readonly (number | bigint)[]): Tensor {
    return Tensor.of('int64', dims, BigInt64Array.from(values, BigInt));
  }

  get size(): number {
    return sizeOf(this.dims);
  }

  get byteLength(): number {
    return byteLengthOf(this.dtype, this.size);
  }

  /** True where reading the elements touches a file. */
  get lazy(): boolean {
    return this.#payload.kind === 'source';
  }

  /** raw_data bytes (little endian). A view where possible. Throws for strings. */
  bytes(): Uint8Array {
    if (this.#payload.kind === 'bytes') return this.#payload.bytes;
    if (this.#payload.kind === 'source') return this.#payload.source.read();
    throw fail('MODEL_INVALID', 'a string tensor has no raw bytes');
  }

  strings(): readonly string[] {
    if (this.#payload.kind === 'strings') return this.#payload.strings;
    throw fail('MODEL_INVALID', `a ${this.dtype} tensor has no strings`);
  }

  /** The elements as the typed array of the dtype (see DTYPES): a view, or a copy where the bytes are not aligned. */
  data(): TypedArray {
    const bytes = this.bytes();
    const { array, bits } = DTYPES[this.dtype] as DTypeRow;
    const width = Math.max(1, Math.min(8, bits / 8));
    const unit = array === Float32Array ? 4 : array === Float64Array ? 8 : width;
    if (bytes.byteOffset % unit === 0)
      return new array(bytes.buffer, bytes.byteOffset, bytes.byteLength / unit);
    // Not bytes.slice(): that of a Buffer is a view.
    const copy = new Uint8Array(bytes);
    return new array(copy.buffer, 0, copy.byteLength / unit);
  }

  /** The elements of a tensor that must have this dtype. */
  as<T extends keyof ArrayOf>(dtype: T): ArrayOf[T] {
    if (this.dtype !== dtype) throw fail('MODEL_INVALID', `expected ${dtype} elements, found ${this.dtype}`);
    return this.data() as ArrayOf[T];
  }

  /** All elements as numbers (64-bit integers rounded to doubles); for small tensors such as shapes and axes. */
  numbers(): number[] {
    return Array.from(this.data() as ArrayLike<number | bigint>, Number);
  }

  /** The same elements under another shape of the same size. */
  reshape(dims: readonly number[]): Tensor {
    if (sizeOf(dims) !== this.size)
      throw fail('SHAPE_MISMATCH', `[${this.dims}] cannot be seen as [${dims}]`);
    return new Tensor(this.dtype, dims, this.#payload);
  }
}
