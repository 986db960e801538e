import { costOf, type Model, type Tensor } from '../../graph/index.ts';

const HEAVY = new Set(['Conv', 'ConvTranspose', 'Gemm', 'MatMul']);

/**
 * Noise over signal (root mean square) that the weights of the layers that multiply and accumulate get by rounding to
 * so many bits, symmetric, a scale for each first index: the cheapest sign of what a precision may cost. 0 without weights.
 */
export function weightError({ graph }: Model, bits: number): number {
  let [noise, signal] = [0, 0];
  for (const node of graph.nodes.filter(({ op }) => HEAVY.has(op))) {
    const weight = graph.initializers.get(node.inputs[1] ?? '');
    if (weight === undefined || weight.dtype !== 'float32' || weight.dims.length < 2) continue;
    const own = errorOf(weight, bits);
    noise += own.noise;
    signal += own.signal;
  }
  return signal === 0 ? 0 : Math.sqrt(noise / signal);
}

function errorOf(weight: Tensor, bits: number): { noise: number; signal: number } {
  const values = weight.as('float32');
  const rows = weight.dims[0]!;
  const width = values.length / Math.max(1, rows);
  const steps = 2 ** (bits - 1) - 1;
  let [noise, signal] = [0, 0];
  for (let row = 0; row < rows; row++) {
    const part = values.subarray(row * width, (row + 1) * width);
    let largest = 0;
    for (const value of part) largest = Math.max(largest, Math.abs(value));
    const scale = largest / steps || 1;
    for (const value of part) {
      noise += (value - scale * Math.round(value / scale)) ** 2;
      signal += value * value;
    }
  }
  return { noise, signal };
}

/** Number of layers that multiply and accumulate. */
export function heavyLayers(model: Model): number {
  return costOf(model).nodes.filter(({ op }) => HEAVY.has(op)).length;
}
