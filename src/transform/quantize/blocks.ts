import { fail } from '../../base/index.ts';
import { Tensor } from '../../graph/index.ts';
import { packNibbles, ROUNDER, roundHalfEven } from './numbers.ts';

/** Sizes of a block that the CPU kernel of MatMulNBits takes. */
export const BLOCK_SIZES = [16, 32, 64, 128, 256] as const;
export type BlockSize = (typeof BLOCK_SIZES)[number];

export interface BlockOptions {
  readonly bits: 4 | 8;
  readonly blockSize: BlockSize;
  readonly symmetric: boolean;
  /** mse: in 4 bits, search each block's scale for the least squared error instead of covering its largest weight. */
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
  const tile = new Float64Array(TILE * block);
  const q = new Uint8Array(block);
  let lost = 0;
  let total = 0;
  for (let b = 0; b < blocks; b++) {
    const count = Math.min(block, k - b * block);
    for (let first = 0; first < n; first += TILE) {
      const columns = Math.min(TILE, n - first);
      total += gather(values, transposed, { k, n, row: b * block, count, first, columns, block }, tile);
      for (let c = 0; c < columns; c++) {
        const real = tile.subarray(c * block, c * block + count);
        const fitted = fitBlock(real, options);
        const at = (first + c) * blocks + b;
        scales[at] = fitted.scale;
        zeros[at] = fitted.zeroPoint;
        lost += quantizeBlock(real, fitted, bits, q);
        q.fill(fitted.zeroPoint, count);
        if (bits === 8) packed.set(q, at * bytesOfBlock);
        else
          for (let i = 0, to = at * bytesOfBlock; i < block; i += 2) packed[to++] = q[i]! | (q[i + 1]! << 4);
      }
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

/** Columns gathered at a time: neighbours in a row share cache lines. */
const TILE = 64;

interface Corner {
  readonly k: number;
  readonly n: number;
  readonly row: number;
  readonly count: number;
  readonly first: number;
  readonly columns: number;
  readonly block: number;
}

/** Copies a block of rows of some columns, column by column; answers the sum of squares. Throws MODEL_INVALID. */
function gather(values: Float32Array, transposed: boolean, corner: Corner, into: Float64Array): number {
  const { k, n, row, count, first, columns, block } = corner;
  const [step, stride] = transposed ? [1, k] : [n, 1];
  let total = 0;
  for (let i = 0; i < count; i++) {
    let from = (row + i) * step + first * stride;
    for (let c = 0; c < columns; c++, from += stride) {
      const value = values[from]!;
      into[c * block + i] = value;
      total += value * value;
    }
  }
  if (!Number.isFinite(total)) {
    const bad = into.find((value) => !Number.isFinite(value));
    if (bad !== undefined) throw fail('MODEL_INVALID', `a weight is ${bad}`);
  }
  return total;
}

interface Fit {
  readonly scale: number;
  readonly zeroPoint: number;
}

/** Shrunken ranges tried for the least squared error: coarse ones, then the neighbours of the best. */
const COARSE = [0.9, 0.8, 0.65];
const FINE = 0.05;

function fitBlock(real: Float64Array, { bits, symmetric, fit }: BlockOptions): Fit {
  let low = 0;
  let high = 0;
  for (let i = 0; i < real.length; i++) {
    const value = real[i]!;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const whole = symmetric ? symmetricFit(low, high, bits) : asymmetricFit(low, high, bits);
  // 256 steps over a block of few weights: clipping the largest never pays.
  if (fit === 'minmax' || bits === 8) return whole;
  let best = whole;
  let bestShare = 1;
  let least = errorOf(real, whole, bits, Number.POSITIVE_INFINITY);
  const attempt = (share: number) => {
    const tried = symmetric
      ? { scale: Math.fround(whole.scale * share), zeroPoint: whole.zeroPoint }
      : asymmetricFit(low * share, high * share, bits);
    if (tried.scale === 0) return;
    const error = errorOf(real, tried, bits, least);
    if (error < least) [best, least, bestShare] = [tried, error, share];
  };
  for (const share of COARSE) attempt(share);
  const middle = bestShare;
  attempt(middle + FINE);
  attempt(middle - FINE);
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

/** Sum of squared errors of a block, or some sum past `enough`. The innermost loop of it all: nothing in it but arithmetic. */
function errorOf(real: Float64Array, { scale, zeroPoint }: Fit, bits: number, enough: number): number {
  const top = 2 ** bits - 1 - zeroPoint;
  const bottom = -zeroPoint;
  const inverse = 1 / scale;
  const half = real.length >> 1;
  let error = 0;
  for (let i = 0; i < real.length; i++) {
    if (i === half && error >= enough) return error;
    const value = real[i]!;
    // As roundHalfEven; a block's quotients are small.
    const whole = value * inverse + ROUNDER - ROUNDER;
    const off = value - (whole > top ? top : whole < bottom ? bottom : whole) * scale;
    error += off * off;
  }
  return error;
}

/** Writes the numbers of a block; the sum of squared errors. */
function quantizeBlock(
  real: Float64Array,
  { scale, zeroPoint }: Fit,
  bits: number,
  into: Uint8Array,
): number {
  const top = 2 ** bits - 1 - zeroPoint;
  const bottom = -zeroPoint;
  const inverse = 1 / scale;
  let error = 0;
  for (let i = 0; i < real.length; i++) {
    const value = real[i]!;
    const whole = value * inverse + ROUNDER - ROUNDER;
    const q = whole > top ? top : whole < bottom ? bottom : whole;
    const off = value - q * scale;
    error += off * off;
    into[i] = q + zeroPoint;
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
