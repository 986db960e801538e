import { Tensor } from '../../graph/index.ts';

/** Integer types that a value is quantized to. */
export type QType = 'uint8' | 'int8' | 'uint4' | 'int4';

/** Whole numbers that a type offers, both ends included. */
export interface QRange {
  readonly min: number;
  readonly max: number;
}

export interface QRangeOptions {
  /** Equal distances from zero on both sides: int8 gives up -128. */
  readonly symmetric?: boolean;
  /** One bit less, for machines whose 8-bit dot product saturates in 16 bits (x64 without VNNI). */
  readonly reduce?: boolean;
}

/** The range of a quantized type. Those of ONNX Runtime's own tools (quant_utils.py), so that figures compare. */
export function rangeOf(type: QType, { symmetric = false, reduce = false }: QRangeOptions = {}): QRange {
  switch (type) {
    case 'uint8':
      return { min: 0, max: reduce ? 127 : 255 };
    case 'int8':
      if (reduce) return { min: -64, max: 64 };
      return { min: symmetric ? -127 : -128, max: 127 };
    case 'uint4':
      return { min: 0, max: reduce ? 7 : 15 };
    case 'int4':
      if (reduce) return { min: -4, max: 3 };
      return { min: symmetric ? -7 : -8, max: 7 };
  }
}

/** What a value is quantized with: real = (q - zeroPoint) * scale. */
export interface QParams {
  readonly type: QType;
  /** A float32 value above 0. */
  readonly scale: number;
  readonly zeroPoint: number;
  /** Numbers in use; saturation happens at these. */
  readonly range: QRange;
}

/** Below this a float32 scale is subnormal, and 1/scale overflows. */
const TINY = 1.1754943508222875e-38;

/**
 * Scale and zero point that cover [low, high]. The interval is first widened to hold 0, which must be represented
 * exactly (padding, ReLU). Computed in doubles; the scale comes rounded to float32. A degenerate interval gives scale 1.
 */
export function paramsOf(
  low: number,
  high: number,
  type: QType,
  { symmetric = false, reduce = false }: QRangeOptions = {},
): QParams {
  const range = rangeOf(type, { symmetric, reduce });
  const lowest = Math.min(low, 0);
  const highest = Math.max(high, 0);
  const { min, max } = range;
  if (symmetric) {
    const scale = Math.fround((2 * Math.max(-lowest, highest)) / (max - min));
    const zeroPoint = roundHalfEven((min + max) / 2);
    return scale < TINY ? { type, scale: 1, zeroPoint, range } : { type, scale, zeroPoint, range };
  }
  const scale = Math.fround((highest - lowest) / (max - min));
  if (!(scale >= TINY)) return { type, scale: 1, zeroPoint: min <= 0 && max >= 0 ? 0 : min, range };
  const zeroPoint = Math.min(max, Math.max(min, roundHalfEven(min - lowest / scale)));
  return { type, scale, zeroPoint, range };
}

/**
 * Parameters whose whole dequantized range lies inside [low, high], so that a Clip to these bounds changes nothing and
 * the runtime drops it. `low <= 0 <= high`. Needed where rounding the zero point would push one end out.
 */
export function paramsInside(wanted: QParams, low: number, high: number): QParams {
  const { range } = wanted;
  let best: QParams | undefined;
  // The neighbours of the zero point too: next to an end, a step of it is a large part of that side.
  for (const zeroPoint of [wanted.zeroPoint, wanted.zeroPoint - 1, wanted.zeroPoint + 1]) {
    if (zeroPoint < range.min || zeroPoint > range.max) continue;
    const scale = largestScale(range.max - zeroPoint, zeroPoint - range.min, low, high, wanted.scale);
    if (best === undefined || scale > best.scale) best = { ...wanted, scale, zeroPoint };
  }
  return best !== undefined && best.scale > 0 ? best : wanted;
}

/** The largest float32 scale with which `above` steps stay below high and `below` steps above low. */
function largestScale(above: number, below: number, low: number, high: number, most: number): number {
  let scale = most;
  if (above > 0) scale = Math.min(scale, high / above);
  if (below > 0) scale = Math.min(scale, -low / below);
  scale = Math.fround(scale);
  while (Math.fround(scale * above) > high || Math.fround(scale * -below) < low) scale = nextBelow(scale);
  return scale;
}

function nextBelow(value: number): number {
  const bits = new Int32Array(Float32Array.of(value).buffer);
  bits[0]! -= 1;
  return new Float32Array(bits.buffer)[0]!;
}

/** 1.5 * 2^52: a double of this size has no bits left behind the point, so that adding it rounds. */
export const ROUNDER = 6755399441055744;

/** The nearest whole number; halves go to the even one (IEEE 754 default, what QuantizeLinear does; Math.round does not). */
export function roundHalfEven(value: number): number {
  // Past 2^51 every double is whole, or nearly, and the sum would lose bits.
  return Math.abs(value) < 2 ** 51 ? value + ROUNDER - ROUNDER : value;
}

/** One number, by QuantizeLinear's rule in float32: saturate(round(x / scale) + zeroPoint). NaN becomes the lower end. */
export function quantizeOne(value: number, params: QParams): number {
  const q = roundHalfEven(Math.fround(value / params.scale)) + params.zeroPoint;
  if (!(q > params.range.min)) return params.range.min;
  return Math.min(q, params.range.max);
}

/** Array that holds 8-bit numbers of a type (4-bit ones unpacked). */
export function arrayFor(type: QType, length: number): Int8Array | Uint8Array {
  return type === 'int8' || type === 'int4' ? new Int8Array(length) : new Uint8Array(length);
}

/** Quantizes `count` numbers that stand `stride` apart, into the same places of `into`. */
export function quantizeInto(
  values: ArrayLike<number>,
  into: Int8Array | Uint8Array,
  params: QParams,
  start = 0,
  count = values.length,
  stride = 1,
): void {
  for (let i = 0, at = start; i < count; i++, at += stride) into[at] = quantizeOne(values[at]!, params);
}

/** Real values of quantized numbers. */
export function dequantize(
  values: ArrayLike<number>,
  params: Pick<QParams, 'scale' | 'zeroPoint'>,
): Float32Array {
  const real = new Float32Array(values.length);
  for (let i = 0; i < real.length; i++) real[i] = (values[i]! - params.zeroPoint) * params.scale;
  return real;
}

/** Two 4-bit numbers a byte, low bits first; an odd last one shares its byte with 0. */
export function packNibbles(values: ArrayLike<number>): Uint8Array {
  const packed = new Uint8Array(Math.ceil(values.length / 2));
  for (let i = 0; i < values.length; i++) packed[i >> 1]! |= (values[i]! & 15) << ((i & 1) * 4);
  return packed;
}

/** The `count` numbers of packNibbles again. */
export function unpackNibbles(packed: Uint8Array, count: number, signed = false): Int8Array {
  const values = new Int8Array(count);
  for (let i = 0; i < count; i++) {
    const nibble = (packed[i >> 1]! >> ((i & 1) * 4)) & 15;
    values[i] = signed && nibble > 7 ? nibble - 16 : nibble;
  }
  return values;
}

/** Scale and zero point as the scalar tensors of a QuantizeLinear. */
export function paramTensors(params: QParams): { scale: Tensor; zeroPoint: Tensor } {
  if (params.type !== 'uint8' && params.type !== 'int8') {
    return {
      scale: Tensor.float32([], [params.scale]),
      zeroPoint: Tensor.of(params.type, [], packNibbles([params.zeroPoint])),
    };
  }
  const zero = arrayFor(params.type, 1);
  zero[0] = params.zeroPoint;
  return { scale: Tensor.float32([], [params.scale]), zeroPoint: Tensor.of(params.type, [], zero) };
}
