import { type DType, dtypeOfNumber, intOf, isFloat, type Node } from '../../src/graph/index.ts';
import { axisIn, eachIndex, offsetOf } from './indices.ts';
import { input, type Kernel, type Kernels } from './kernel.ts';
import { roundEven } from './unary.ts';
import { float, int, rangeOf, type Value } from './value.ts';

/** Which scale an element has: one for all, one for each index of an axis, or one for each block along it. */
function scaleIndex(x: Value, scale: Value, node: Node): (index: readonly number[]) => number {
  if (scale.data.length === 1) return () => 0;
  const axis = axisIn(intOf(node, 'axis', 1), x.dims.length);
  if (scale.dims.length === 1) return (index) => index[axis]!;
  const block = intOf(node, 'block_size', 1);
  return (index) =>
    offsetOf(
      scale.dims,
      index.map((i, a) => (a === axis ? Math.floor(i / block) : i)),
    );
}

const quantizeLinear: Kernel = (call) => {
  const [x, scale, zero] = [input(call, 0), input(call, 1), call.inputs[2]];
  if (zero !== undefined && zero.kind !== 'int') throw new Error('QuantizeLinear to floats');
  const dtype: DType = zero?.dtype ?? dtypeOfNumber(intOf(call.node, 'output_dtype', 0)) ?? 'uint8';
  if (isFloat(dtype)) throw new Error('QuantizeLinear to floats');
  const [low, high] = rangeOf(dtype);
  const which = scaleIndex(x, scale, call.node);
  const data = new Float64Array(x.data.length);
  eachIndex(x.dims, (index, flat) => {
    const at = which(index);
    const level = roundEven(x.data[flat]! / scale.data[at]!) + (zero?.data[at] ?? 0);
    data[flat] = Math.min(Math.max(level, low), high);
  });
  return [int(x.dims, data, dtype)];
};

const dequantizeLinear: Kernel = (call) => {
  const [x, scale, zero] = [input(call, 0), input(call, 1), call.inputs[2]];
  const which = scaleIndex(x, scale, call.node);
  const data = new Float64Array(x.data.length);
  eachIndex(x.dims, (index, flat) => {
    const at = which(index);
    data[flat] = (x.data[flat]! - (zero?.data[at] ?? 0)) * scale.data[at]!;
  });
  return [float(x.dims, data)];
};

/** Floats as integers on a grid, and back. */
export const QUANTIZE: Kernels = { QuantizeLinear: quantizeLinear, DequantizeLinear: dequantizeLinear };
