import { toHalf } from '../../data/index.ts';
import { Tensor } from '../../graph/index.ts';

/** The largest finite number of binary16. */
export const LARGEST_HALF = 65504;
/** The smallest one above 0, 2^-24. */
export const SMALLEST_HALF = 2 ** -24;

/**
 * A float32 tensor in float16, to the nearest, ties to even. What is finite stays finite and what is not 0 stays not 0: a divisor that
 * became 0, or a mask of -3.4e38 that became -Infinity (and then NaN in a softmax), would spoil whole outputs.
 */
export function halfTensor(tensor: Tensor): Tensor {
  const values = tensor.as('float32');
  const bits = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) bits[i] = toHalf(clamped(values[i]!));
  return Tensor.of('float16', tensor.dims, bits);
}

function clamped(value: number): number {
  if (!Number.isFinite(value) || value === 0) return value;
  const size = Math.min(LARGEST_HALF, Math.max(SMALLEST_HALF, Math.abs(value)));
  return value < 0 ? -size : size;
}
