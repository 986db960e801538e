import { type QParams, ROUNDER } from './numbers.ts';

type Fit = Pick<QParams, 'scale' | 'zeroPoint'>;

/** Of the published method: the norm that is made small, the first weight of the quadratic term, its growth, the rounds. */
const NORM = 0.7;
const BETA = 10;
const KAPPA = 1.01;
const ROUNDS = 20;

/** |x|^(NORM - 1) for sizes below 1 in steps of 1/FINE: a power for each weight and round would be nearly all of the time. */
const FINE = 1024;
const POWERS = Float64Array.from({ length: FINE }, (_, i) => ((i + 0.5) / FINE) ** (NORM - 1));

const power = (size: number) => (size < 1 ? POWERS[(size * FINE) | 0]! : size ** (NORM - 1));

/**
 * Scale and zero point of a block by half-quadratic splitting (Badri and Shaji, "Half-Quadratic Quantization", 2023): makes
 * sum |w - (q - z) s|^0.7 small, which counts a few large errors less than many small ones. In turn the errors e are shrunk towards
 * 0 (the proximal step of the norm, beta growing by 1 % a round) and z = mean(q - (w - e) / s) taken. Two things differ from the
 * paper: errors are measured in steps of the scale, so that the same beta suits weights of any size; and zero points
 * must be whole numbers in MatMulNBits, so that what z cannot express, s = <w - e, q - z> / <q - z, q - z> does. Of all rounds, the start
 * `start` included, the one of the smallest norm is returned. Where `symmetric`, the zero point stays as it is.
 */
export function halfQuadratic(real: Float64Array, start: Fit, bits: number, symmetric: boolean): Fit {
  const top = 2 ** bits - 1;
  let { scale, zeroPoint: zero } = start;
  let beta = BETA;
  let best = start;
  let least = normOf(real, start, top, Number.POSITIVE_INFINITY);
  for (let round = 0; round < ROUNDS && least > 0; round++) {
    const shift = symmetric ? zero : zeroOf(real, scale, zero, top, beta);
    const nearest = Math.min(top, Math.max(0, Math.round(shift)));
    const tried = { scale: Math.fround(scaleOf(real, scale, nearest, top, beta)), zeroPoint: nearest };
    if (!usable(tried.scale)) break;
    const norm = normOf(real, tried, top, least);
    if (norm < least) [best, least] = [tried, norm];
    // The next round goes on from where z really is, with the scale that suits it.
    scale = scaleOf(real, scale, shift, top, beta);
    zero = shift;
    beta *= KAPPA;
    if (!usable(scale)) break;
  }
  return best;
}

const usable = (scale: number) => Number.isFinite(1 / scale) && Number.isFinite(scale);

/** Sum of |w - (q - z) s|^0.7, or some sum past `enough`. */
function normOf(real: Float64Array, { scale, zeroPoint }: Fit, top: number, enough: number): number {
  const inverse = 1 / scale;
  // In steps, and scaled at the end: |s|^0.7 is the same for every weight.
  const unit = Math.abs(scale) ** NORM;
  let sum = 0;
  for (let i = 0; i < real.length && sum * unit < enough; i++) {
    const value = real[i]! * inverse;
    const off = Math.abs(value - quotient(value, zeroPoint, top));
    sum += off * power(off);
  }
  return sum * unit;
}

/** round(value + zero), held to 0..top, less zero: what a weight becomes, in steps. */
function quotient(value: number, zero: number, top: number): number {
  const q = value + zero + ROUNDER - ROUNDER;
  return (q < 0 ? 0 : q > top ? top : q) - zero;
}

/** The proximal step: what is left of an error. */
function shrunk(off: number, beta: number): number {
  const size = Math.abs(off);
  const left = size - power(size) / beta;
  return left > 0 ? (off < 0 ? -left : left) : 0;
}

function zeroOf(real: Float64Array, scale: number, zero: number, top: number, beta: number): number {
  const inverse = 1 / scale;
  let sum = 0;
  for (let i = 0; i < real.length; i++) {
    const value = real[i]! * inverse;
    const steps = quotient(value, zero, top);
    sum += steps + zero - (value - shrunk(value - steps, beta));
  }
  return sum / real.length;
}

function scaleOf(real: Float64Array, scale: number, zero: number, top: number, beta: number): number {
  const inverse = 1 / scale;
  let product = 0;
  let square = 0;
  for (let i = 0; i < real.length; i++) {
    const value = real[i]! * inverse;
    const steps = quotient(value, zero, top);
    product += (value - shrunk(value - steps, beta)) * steps;
    square += steps * steps;
  }
  return square > 0 ? (scale * product) / square : scale;
}
