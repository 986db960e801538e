import { fail } from '../../base/index.ts';
import { Tensor } from '../../graph/index.ts';
import { arrayFor, paramsOf, type QParams, quantizeInto, quantizeOne, roundHalfEven } from './numbers.ts';

/** A constant in 8 bits with its parameters: what stands before a DequantizeLinear. */
export interface QuantizedConstant {
  /** int8 or uint8, of the constant's shape. */
  readonly values: Tensor;
  /** float32: [] for one scale, [channels] along `axis`. */
  readonly scale: Tensor;
  /** Of the dtype of values, of the shape of scale. */
  readonly zeroPoint: Tensor;
  /** undefined: one scale for all. */
  readonly axis: number | undefined;
}

export interface WeightOptions {
  /** Axis of the output channels; undefined for one scale for the whole tensor. */
  readonly axis?: number;
  /** 7 bits instead of 8, see QRangeOptions. */
  readonly reduce?: boolean;
  /** Lower bounds of the scale of each channel (of all, where there is one scale), see biasFloor. */
  readonly floor?: Float64Array;
  /**
   * minmax: the largest weight is representable. mse: the scale of least squared error among shrunken ones, which
   * saturates a few outliers to be finer for the rest.
   */
  readonly fit?: 'minmax' | 'mse';
}

/** Steps in the search for the scale of least squared error: down to this share of the largest weight. */
const SMALLEST_SHARE = 0.5;
const STEPS = 40;

/**
 * Quantizes a float32 weight to symmetric int8: zero points are 0, as the integer kernels demand of per-channel weights.
 * Throws MODEL_INVALID where a weight is not finite.
 */
export function quantizeWeight(weight: Tensor, options: WeightOptions = {}): QuantizedConstant {
  const { axis, reduce = false, floor, fit = 'minmax' } = options;
  const values = weight.as('float32');
  const q = new Int8Array(values.length);
  const { channels, outer, inner } = channelLayout(weight.dims, axis);
  const scales = new Float32Array(channels);
  for (let channel = 0; channel < channels; channel++) {
    const runs = channelRuns(channel, channels, outer, inner);
    let params = symmetricParams(values, runs, reduce);
    if (fit === 'mse') params = leastSquares(values, runs, params);
    const lower = floor?.[channel] ?? 0;
    if (params.scale < lower) params = { ...params, scale: Math.fround(lower) };
    for (const [start, count] of runs) quantizeInto(values, q, params, start, count);
    scales[channel] = params.scale;
  }
  const shape = axis === undefined ? [] : [channels];
  return {
    values: Tensor.of('int8', weight.dims, q),
    scale: Tensor.float32(shape, scales),
    zeroPoint: Tensor.of('int8', shape, new Int8Array(channels)),
    axis,
  };
}

function symmetricParams(values: Float32Array, runs: readonly Run[], reduce: boolean): QParams {
  let largest = 0;
  for (const [start, count] of runs) {
    for (let i = start; i < start + count; i++) {
      const size = Math.abs(values[i]!);
      if (!(size <= 3.5e38)) throw fail('MODEL_INVALID', `a weight is ${values[i]}`);
      if (size > largest) largest = size;
    }
  }
  return paramsOf(-largest, largest, 'int8', { symmetric: true, reduce });
}

function leastSquares(values: Float32Array, runs: readonly Run[], whole: QParams): QParams {
  let best = whole;
  let least = squaredError(values, runs, whole, Number.POSITIVE_INFINITY);
  for (let step = 1; step <= STEPS; step++) {
    const share = 1 - (step * (1 - SMALLEST_SHARE)) / STEPS;
    const params = { ...whole, scale: Math.fround(whole.scale * share) };
    const error = squaredError(values, runs, params, least);
    if (error < least) [best, least] = [params, error];
  }
  return best;
}

function squaredError(values: Float32Array, runs: readonly Run[], params: QParams, enough: number): number {
  let sum = 0;
  for (const [start, count] of runs) {
    for (let i = start; i < start + count; i++) {
      const off = values[i]! - quantizeOne(values[i]!, params) * params.scale;
      sum += off * off;
    }
    if (sum >= enough) break;
  }
  return sum;
}

/** A constant operand of Add, Mul and the like: one asymmetric scale, in the dtype of the activations beside it. */
export function quantizeOperand(operand: Tensor, type: 'uint8' | 'int8'): QuantizedConstant {
  const values = operand.as('float32');
  let low = 0;
  let high = 0;
  for (const value of values) {
    if (!Number.isFinite(value)) throw fail('MODEL_INVALID', `a weight is ${value}`);
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const params = paramsOf(low, high, type);
  const q = arrayFor(type, values.length);
  quantizeInto(values, q, params);
  const zero = arrayFor(type, 1);
  zero[0] = params.zeroPoint;
  return {
    values: Tensor.of(type, operand.dims, q),
    scale: Tensor.float32([], [params.scale]),
    zeroPoint: Tensor.of(type, [], zero),
    axis: undefined,
  };
}

/**
 * A bias in int32 at scale inputScale * weightScale, so that it adds to the integer accumulator as it is.
 * `weightScale` has one element or one a channel.
 */
export function quantizeBias(bias: Tensor, inputScale: number, weightScale: Float32Array): QuantizedConstant {
  const values = bias.as('float32');
  const q = new Int32Array(values.length);
  const many = weightScale.length > 1;
  const scales = new Float32Array(many ? values.length : 1);
  for (let i = 0; i < values.length; i++) {
    const scale = Math.fround(inputScale * weightScale[many ? i : 0]!);
    scales[many ? i : 0] = scale;
    q[i] = Math.min(INT32_MAX, Math.max(-INT32_MAX - 1, roundHalfEven(values[i]! / scale)));
  }
  const shape = many ? [values.length] : [];
  return {
    values: Tensor.of('int32', bias.dims, q),
    scale: Tensor.float32(shape, scales),
    zeroPoint: Tensor.of('int32', shape, new Int32Array(scales.length)),
    axis: many ? 0 : undefined,
  };
}

const INT32_MAX = 2 ** 31 - 1;

/**
 * The smallest weight scales (one a channel, or one) with which the bias still fits 32 bits at scale
 * inputScale * weightScale. A channel of nearly zero weights and a large bias needs it: its bias would saturate.
 */
export function biasFloor(bias: Tensor, inputScale: number, channels: number): Float64Array {
  const values = bias.as('float32');
  const floor = new Float64Array(channels);
  for (let i = 0; i < values.length; i++) {
    const at = channels > 1 ? i : 0;
    const least = (Math.abs(values[i]!) * 2 * 1.0001) / (2 ** 32 - 2) / inputScale;
    if (least > floor[at]!) floor[at] = least;
  }
  return floor;
}

type Run = readonly [start: number, count: number];

/** How the elements of one channel lie: `outer` runs of `inner` neighbours, channels * inner apart. */
export function channelLayout(
  dims: readonly number[],
  axis: number | undefined,
): { channels: number; outer: number; inner: number } {
  const product = (part: readonly number[]) => part.reduce((sum, dim) => sum * dim, 1);
  if (axis === undefined) return { channels: 1, outer: 1, inner: product(dims) };
  return { channels: dims[axis]!, outer: product(dims.slice(0, axis)), inner: product(dims.slice(axis + 1)) };
}

function channelRuns(channel: number, channels: number, outer: number, inner: number): Run[] {
  return Array.from({ length: outer }, (_, i) => [(i * channels + channel) * inner, inner] as const);
}
