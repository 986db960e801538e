import { fail } from '../base/index.ts';
import { DTYPES, type DType, isFloat, Tensor, type TypedArray } from '../graph/index.ts';
import { fromHalf, toHalf } from './half.ts';

/** Ranges of the integer dtypes that data may have. */
const RANGES: Partial<Record<DType, readonly [bigint, bigint]>> = {
  bool: [0n, 1n],
  int8: [-128n, 127n],
  uint8: [0n, 255n],
  int16: [-32768n, 32767n],
  uint16: [0n, 65535n],
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
};

/** True where every value of `from` is a value of `to`, or where a float loses no more than float32 does anyway. */
export function widens(from: DType, to: DType): boolean {
  if (from === to) return true;
  if (isFloat(from)) {
    if (to === 'float32') return from === 'float16' || from === 'float64';
    return to === 'float64' && (from === 'float16' || from === 'float32');
  }
  const a = RANGES[from];
  const b = RANGES[to];
  return a !== undefined && b !== undefined && a[0] >= b[0] && a[1] <= b[1] && to !== 'bool';
}

/** True for the dtypes between which `cast` converts. */
export function castable(dtype: DType): boolean {
  return dtype in RANGES || dtype === 'float16' || dtype === 'float32' || dtype === 'float64';
}

/**
 * The same values in another dtype: floats round to nearest even, floats to integers drop the fraction (as numpy's
 * astype). Throws DATA_DTYPE_MISMATCH for a value that the dtype cannot hold, never wraps.
 */
export function cast(tensor: Tensor, to: DType, where: string): Tensor {
  if (tensor.dtype === to) return tensor;
  if (!castable(tensor.dtype) || !castable(to) || to === 'string') {
    throw fail('DATA_DTYPE_MISMATCH', `${where}: ${tensor.dtype} cannot become ${to}`);
  }
  const from = elements(tensor);
  const into = new Uint8Array((tensor.size * DTYPES[to].bits) / 8);
  const target = new DTYPES[to].array(into.buffer, 0, tensor.size);
  if (to === 'float16') for (let i = 0; i < from.length; i++) target[i] = toHalf(Number(from[i]));
  else if (isFloat(to)) for (let i = 0; i < from.length; i++) target[i] = Number(from[i]);
  else toIntegers(from, target, to, where);
  return Tensor.of(to, tensor.dims, target);
}

function elements(tensor: Tensor): TypedArray {
  return tensor.dtype === 'float16'
    ? Float32Array.from(tensor.data() as Uint16Array, fromHalf)
    : tensor.data();
}

function toIntegers(from: TypedArray, target: TypedArray, to: DType, where: string): void {
  const [low, high] = RANGES[to]!;
  const big = target instanceof BigInt64Array || target instanceof BigUint64Array;
  for (let i = 0; i < from.length; i++) {
    const value = from[i]!;
    const whole = typeof value === 'bigint' ? value : Math.trunc(value);
    // Comparisons of bigint with number are exact.
    if (!(whole >= low && whole <= high)) {
      throw fail('DATA_DTYPE_MISMATCH', `${where}: ${value} is no ${to}`);
    }
    target[i] = big ? BigInt(whole) : Number(whole);
  }
}
