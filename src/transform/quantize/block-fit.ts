import { halfQuadratic } from './half-quadratic.ts';
import { type QParams, ROUNDER, roundHalfEven } from './numbers.ts';

/** How the numbers of a block are chosen. */
export interface FitOptions {
  readonly bits: 4 | 8;
  readonly symmetric: boolean;
  /**
   * minmax: the largest weight is representable. mse: in 4 bits, the scale of least squared error among shrunken ones.
   * hqq: in 4 bits, from there on by half-quadratic splitting, see halfQuadratic.
   */
  readonly fit: 'minmax' | 'mse' | 'hqq';
}

/** Parameters of a block: w = (q - zeroPoint) * scale, q from 0 to 2^bits - 1. The scale may be negative, never 0. */
export type Fit = Pick<QParams, 'scale' | 'zeroPoint'>;

/** Shrunken ranges tried for the least squared error: coarse ones, then the neighbours of the best. */
const COARSE = [0.9, 0.8, 0.65];
const FINE = 0.05;

/** Scale and zero point for the weights of one block. */
export function fitBlock(real: Float64Array, { bits, symmetric, fit }: FitOptions): Fit {
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
  return fit === 'hqq' ? halfQuadratic(real, best, bits, symmetric) : best;
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
export function quantizeBlock(
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
