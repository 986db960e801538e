import type { DType, Tensor } from '../../../graph/index.ts';
import type { Hint } from './hints.ts';
import type { Quant, Tree } from './tree.ts';
import type { Store, View } from './view.ts';

/** Integer weights with what makes them real: (q - zero) * scale along an axis. */
export interface QuantizedConstant {
  readonly tensor: Tensor;
  readonly scales: Float32Array;
  readonly zeros: readonly number[];
  readonly axis: number;
}

/** What is known of one value of the graph while it is compiled. */
export interface Value {
  readonly name: string;
  readonly dims: readonly number[];
  readonly dtype: DType;
  readonly hint: Hint;
  /** How it is computed, where it is not in memory. */
  tree?: Tree;
  view?: View;
  readonly constant?: Tensor;
  /** Weights that are stored as integers. */
  readonly weights?: QuantizedConstant;
  /** Quantized: memory holds i16, less the zero point. */
  readonly quant?: Quant;
  /** The quantized value that this is the real form of. */
  readonly real?: Value;
}

const STORES = {
  float32: 'f32',
  bool: 'u8',
  uint8: 'u8',
  int8: 'i8',
  int32: 'i32',
  int64: 'i64',
} as const satisfies Partial<Record<DType, Store>>;

/** How numbers of a dtype lie in memory; undefined where the compiler has no such numbers. */
export function storeOf(dtype: DType): Store | undefined {
  return (STORES as Partial<Record<DType, Store>>)[dtype];
}

/** The numbers of integer weights, as they are multiplied in floats. */
export function dequantized({ tensor, scales, zeros, axis }: QuantizedConstant): Float32Array {
  const values = tensor.numbers();
  const { dims } = tensor;
  const inner = dims.slice(axis + 1).reduce((product, dim) => product * dim, 1);
  const single = scales.length === 1;
  return Float32Array.from(values, (value, i) => {
    const c = single ? 0 : Math.floor(i / inner) % dims[axis]!;
    return (value - (zeros[c] ?? 0)) * scales[c]!;
  });
}
