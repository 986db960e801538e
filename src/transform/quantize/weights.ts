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
  /** 4: numbers from -7 to 7, in int8 all the same. Default 8. */
  readonly bits?: 4 | 8;
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
  const { axis, reduce = false, bits = 8, floor, fit = 'minmax' } = options;
  const values = weight.as('float32');
  const q = new Int8Array(values.length);
  const layout = channelLayout(weight.dims, axis);
  const { channels } = layout;
  const scales = new Float32Array(channels);
  byChannel(values, q, layout, (channel, real, numbers) => {
    let params = symmetricParams(real, bits, reduce);
    if (fit === 'mse') params = leastSquares(real, params);
    const lower = floor?.[channel] ?? 0;
    if (params.scale < lower) params = { ...params, scale: Math.fround(lower) };
    quantizeInto(real, numbers, params);
    scales[channel] = params.scale;
  });
  const shape = axis === undefined ? [] : [channels];
  return {
    values: Tensor.of('int8', weight.dims, q),
    scale: Tensor.float32(shape, scales),
    zeroPoint: Tensor.of('int8', shape, new Int8Array(channels)),
    axis,
  };
}

function symmetricParams(real: Float32Array, bits: 4 | 8, reduce: boolean): QParams {
  let largest = 0;
  for (let i = 0; i < real.length; i++) {
    const size = Math.abs(real[i]!);
    if (!(size <= 3.5e38)) throw fail('MODEL_INVALID', `a weight is ${real[i]}`);
    if (size > largest) largest = size;
  }
  const [type, less] = bits === 4 ? (['int4', false] as const) : (['int8', reduce] as const);
  return paramsOf(-largest, largest, type, { symmetric: true, reduce: less });
}

function leastSquares(real: Float32Array, whole: QParams): QParams {
  let best = whole;
  let least = squaredError(real, whole, Number.POSITIVE_INFINITY);
  for (let step = 1; step <= STEPS; step++) {
    const share = 1 - (step * (1 - SMALLEST_SHARE)) / STEPS;
    const params = { ...whole, scale: Math.fround(whole.scale * share) };
    const error = squaredError(real, params, least);
    if (error < least) [best, least] = [params, error];
  }
  return best;
}

/** Elements between two looks at whether a sum is already too large. */
const LOOK = 64;

function squaredError(real: Float32Array, params: QParams, enough: number): number {
  let sum = 0;
  for (let from = 0; from < real.length && sum < enough; from += LOOK) {
    const end = Math.min(real.length, from + LOOK);
    for (let i = from; i < end; i++) {
      const off = real[i]! - quantizeOne(real[i]!, params) * params.scale;
      sum += off * off;
    }
  }
  return sum;
}

/** Channels gathered at a time: their neighbours share cache lines. */
const TILE = 64;

/** Calls `visit` with the elements of each channel side by side; what it writes to `numbers` goes to their places in `q`. */
function byChannel(
  values: Float32Array,
  q: Int8Array,
  { channels, outer, inner }: Layout,
  visit: (channel: number, real: Float32Array, numbers: Int8Array) => void,
): void {
  const size = outer * inner;
  if (outer === 1) {
    for (let channel = 0; channel < channels; channel++) {
      const [start, end] = [channel * size, (channel + 1) * size];
      visit(channel, values.subarray(start, end), q.subarray(start, end));
    }
    return;
  }
  const real = new Float32Array(TILE * size);
  const numbers = new Int8Array(TILE * size);
  for (let first = 0; first < channels; first += TILE) {
    const count = Math.min(TILE, channels - first);
    const each = (move: (at: number, tile: number) => void) => {
      for (let run = 0; run < outer; run++) {
        for (let c = 0; c < count; c++) {
          const at = (run * channels + first + c) * inner;
          for (let i = 0; i < inner; i++) move(at + i, c * size + run * inner + i);
        }
      }
    };
    each((at, tile) => {
      real[tile] = values[at]!;
    });
    for (let c = 0; c < count; c++) {
      const [start, end] = [c * size, (c + 1) * size];
      visit(first + c, real.subarray(start, end), numbers.subarray(start, end));
    }
    each((at, tile) => {
      q[at] = numbers[tile]!;
    });
  }
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

interface Layout {
  readonly channels: number;
  readonly outer: number;
  readonly inner: number;
}

/** How the elements of one channel lie: `outer` runs of `inner` neighbours, channels * inner apart. */
export function channelLayout(dims: readonly number[], axis: number | undefined): Layout {
  const product = (part: readonly number[]) => part.reduce((sum, dim) => sum * dim, 1);
  if (axis === undefined) return { channels: 1, outer: 1, inner: product(dims) };
  return { channels: dims[axis]!, outer: product(dims.slice(0, axis)), inner: product(dims.slice(axis + 1)) };
}
