import { unsupported } from '../plan/lowering.ts';
import { dequantized, type Value } from '../plan/value.ts';

/** The floats of a constant, stored so or as integers. */
export function floatWeights({ constant, weights, name }: Value): Float32Array {
  if (weights !== undefined) return dequantized(weights);
  if (constant?.dtype === 'float32') return constant.as('float32');
  throw unsupported(`"${name}" is no constant of floats`);
}

/** Both factors of a product as integers. */
export interface IntegerFactors {
  /** In the order of the weights' tensor, less their zero points. */
  readonly weights: Int8Array;
  /** In units of x's scale times the channel's. */
  readonly bias: Int32Array | undefined;
  /** What a sum of products is multiplied by to be real, for each channel. */
  readonly scales: Float32Array;
}

/**
 * The integers of a quantized product, where x is quantized, the weights are 8-bit constants with a scale for all or one for each
 * of the `channels` on their first (or given) axis, and the bias is constant; else undefined: it is computed in floats.
 */
export function integerFactors(
  x: Value,
  w: Value,
  bias: Value | undefined,
  channels: number,
  axis = 0,
): IntegerFactors | undefined {
  const scale = x.real?.quant?.scale;
  if (scale === undefined || w.weights === undefined) return undefined;
  const { tensor, scales, zeros, axis: own } = w.weights;
  if (tensor.dtype !== 'int8' && tensor.dtype !== 'uint8') return undefined;
  if (scales.length !== 1 && (own !== axis || scales.length !== channels)) return undefined;
  const inner = tensor.dims.slice(own + 1).reduce((product, dim) => product * dim, 1);
  const values = tensor.numbers().map((value, i) => {
    const c = zeros.length === 1 ? 0 : Math.floor(i / inner) % tensor.dims[own]!;
    return value - zeros[c]!;
  });
  // An unsigned weight may lie farther from its zero point than a byte can say.
  if (values.some((value) => value < -128 || value > 127)) return undefined;
  const products = Float32Array.from({ length: channels }, (_, c) =>
    Math.fround(scale * (scales.length === 1 ? scales[0]! : scales[c]!)),
  );
  const sums = bias === undefined ? undefined : integerBias(bias, products);
  if (bias !== undefined && sums === undefined) return undefined;
  return { weights: Int8Array.from(values), bias: sums, scales: products };
}

function integerBias(bias: Value, products: Float32Array): Int32Array | undefined {
  const stored = bias.weights;
  if (stored?.tensor.dtype === 'int32' && stored.tensor.size === products.length) {
    const same = products.every((product, c) => {
      const own = stored.scales.length === 1 ? stored.scales[0]! : stored.scales[c]!;
      return Math.abs(own / product - 1) < 1e-3;
    });
    if (same) return Int32Array.from(stored.tensor.numbers());
  }
  if (bias.constant?.dtype !== 'float32' && stored === undefined) return undefined;
  const floats = floatWeights(bias);
  if (floats.length !== products.length) return undefined;
  return Int32Array.from(floats, (value, c) =>
    Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, Math.round(value / products[c]!))),
  );
}
