import { fail } from '../../base/index.ts';
import { Tensor } from '../../graph/index.ts';
import { packNibbles, roundHalfEven } from './numbers.ts';

/** Sizes of a block that the CPU kernel of MatMulNBits takes. */
export const BLOCK_SIZES = [16, 32, 64, 128, 256] as const;
export type BlockSize = (typeof BLOCK_SIZES)[number];

export interface BlockOptions {
  readonly bits: 4 | 8;
  readonly blockSize: BlockSize;
  readonly symmetric: boolean;
  /** Search each block's scale for the least squared error instead of covering its largest weight. */
  readonly fit: 'minmax' | 'mse';
}

/** A weight as com.microsoft MatMulNBits reads it; w = (q - zero point) * scale, `blocks` = ceil(K / block). */
export interface BlockedWeight {
  readonly k: number;
  readonly n: number;
  /** uint8 [n, blocks, block * bits / 8], low bits first. */
  readonly packed: Tensor;
  /** float32 [n, blocks]. */
  readonly scales: Tensor;
  /** uint8 [n, ceil(blocks * bits / 8)]; absent where symmetric (then 2^(bits-1)). */
  readonly zeroPoints: Tensor | undefined;
  /** Sum of squares of what was lost over sum of squares: the damage. */
  readonly relativeError: number;
}

/**
 * Quantizes the constant of a MatMul ([K, N]; [N, K] if transposed) in blocks along K, one scale (and zero point) each.
 * Throws MODEL_INVALID where a weight is not finite.
 */
export function quantizeBlocks(weight: Tensor, transposed: boolean, options: BlockOptions): BlockedWeight {
  const [first, second] = weight.dims as [number, number];
  const [k, n] = transposed ? [second, first] : [first, second];
  const { bits, blockSize: block } = options;
  const values = weight.as('float32');
  const blocks = Math.ceil(k / block);
  const bytesOfBlock = (block * bits) / 8;
  const packed = new Uint8Array(n * blocks * bytesOfBlock);
  const scales = new Float32Array(n * blocks);
  const zeros = new Uint8Array(n * blocks);
  const real = new Float64Array(block);
  const q = new Uint8Array(block);
  let lost = 0;
  let total = 0;
  for (let column = 0; column < n; column++) {
    for (let b = 0; b < blocks; b++) {
      const count = Math.min(block, k - b * block);
      for (let i = 0; i < count; i++) {
        const row = b * block + i;
        const value = values[transposed ? column * k + row : row * n + column]!;
        if (!Number.isFinite(value)) throw fail('MODEL_INVALID', `a weight is ${value}`);
        real[i] = value;
        total += value * value;
      }
      const fitted = fitBlock(real.subarray(0, count), options);
      const at = column * blocks + b;
      scales[at] = fitted.scale;
      zeros[at] = fitted.zeroPoint;
      lost += quantizeBlock(real.subarray(0, count), fitted, bits, q);
      q.fill(fitted.zeroPoint, count);
      packed.set(bits === 8 ? q : packNibbles(q), at * bytesOfBlock);
    }
  }
  return {
    k,
    n,
    packed: Tensor.of('uint8', [n, blocks, bytesOfBlock], packed),
    scales: Tensor.float32([n, blocks], scales),
    zeroPoints: options.symmetric ? undefined : packZeros(zeros, n, blocks, bits),
    relativeError: total > 0 ? lost / total : 0,
  };
}

interface Fit {
  readonly scale: number;
  readonly zeroPoint: number;
}

/** Shrunken ranges tried for the least squared error. */
const SHARES = Array.from({ length: 21 }, (_, i) => 1 - i * 0.025);

function fitBlock(real: Float64Array, { bits, symmetric, fit }: BlockOptions): Fit {
  let low = 0;
  let high = 0;
  for (const value of real) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const whole = symmetric ? symmetricFit(low, high, bits) : asymmetricFit(low, high, bits);
  if (fit === 'minmax') return whole;
  let best = whole;
  let least = Number.POSITIVE_INFINITY;
  for (const share of SHARES) {
    const tried = symmetric
      ? { scale: Math.fround(whole.scale * share), zeroPoint: whole.zeroPoint }
      : asymmetricFit(low * share, high * share, bits);
    if (tried.scale === 0) continue;
    const error = quantizeBlock(real, tried, bits, undefined);
    if (error < least) [best, least] = [tried, error];
  }
  return best;
}

/** The weight of largest size lands on the lowest number, -2^(bits-1): the scale takes its sign (ONNX Runtime's rule). */
function symmetricFit(low: number, high: number, bits: number): Fit {
  const half = 2 ** (bits - 1);
  const extreme = -low > high ? low : high;
  return { scale: Math.fround(extreme / -half) || 1, zeroPoint: half };
}

function asymmetricFit(low: number, high: number, bits: number): Fit {
  const top = 2 ** bits - 1;
  const scale = Math.fround((high - low) / top);
  if (scale === 0) return { scale: 1, zeroPoint: 0 };
  return { scale, zeroPoint: Math.min(top, Math.max(0, roundHalfEven(-low / scale))) };
}

/** Writes the numbers of a block, if asked to; the sum of squared errors. */
function quantizeBlock(
  real: Float64Array,
  { scale, zeroPoint }: Fit,
  bits: number,
  into: Uint8Array | undefined,
) {
  const top = 2 ** bits - 1;
  let error = 0;
  for (let i = 0; i < real.length; i++) {
    const q = Math.min(top, Math.max(0, roundHalfEven(real[i]! / scale) + zeroPoint));
    const off = real[i]! - (q - zeroPoint) * scale;
    error += off * off;
    if (into !== undefined) into[i] = q;
  }
  return error;
}

/** Zero points along the blocks; each row begins on a whole byte. */
function packZeros(zeros: Uint8Array, n: number, blocks: number, bits: number): Tensor {
  if (bits === 8) return Tensor.of('uint8', [n, blocks], zeros);
  const row = Math.ceil(blocks / 2);
  const packed = new Uint8Array(n * row);
  for (let column = 0; column < n; column++) {
    packed.set(packNibbles(zeros.subarray(column * blocks, (column + 1) * blocks)), column * row);
  }
  return Tensor.of('uint8', [n, row], packed);
}
