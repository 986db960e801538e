import { intOf, sizeOf } from '../../src/graph/index.ts';
import { broadcastDims, broadcastOffset, eachIndex } from './indices.ts';
import { type Call, input, type Kernel, type Kernels } from './kernel.ts';
import { gelu, geluTanh } from './unary.ts';
import { bool, like, type Value, wrap } from './value.ts';

/** All inputs broadcast together, and what `f` makes of the elements at each index. */
function combined(values: readonly Value[], f: (...elements: number[]) => number) {
  const dims = broadcastDims(...values.map((value) => value.dims));
  const data = new Float64Array(sizeOf(dims));
  eachIndex(dims, (index, flat) => {
    data[flat] = f(...values.map((value) => value.data[broadcastOffset(value.dims, index)]!));
  });
  return { dims, data };
}

const all = (call: Call) => call.inputs.map((_, at) => input(call, at));

/** The answer is of the kind of the first input; integers wrap. */
const arithmetic =
  (choose: (call: Call, first: Value) => (...elements: number[]) => number): Kernel =>
  (call) => {
    const first = input(call, 0);
    const f = choose(call, first);
    const { dims, data } = combined(all(call), f);
    return [like(first, dims, first.kind === 'int' ? data.map((v) => wrap(v, first.dtype)) : data)];
  };

const always = (f: (...elements: number[]) => number): Kernel => arithmetic(() => f);

const compared =
  (f: (a: number, b: number) => boolean): Kernel =>
  (call) => {
    const { dims, data } = combined([input(call, 0), input(call, 1)], (a, b) => Number(f(a!, b!)));
    return [bool(dims, data)];
  };

/** The rest has the sign of the dividend with fmod, else that of the divisor. */
const modulo =
  (fmod: boolean) =>
  (a: number, b: number): number => {
    const rest = a % b;
    return !fmod && rest !== 0 && rest < 0 !== b < 0 ? rest + b : rest;
  };

const where: Kernel = (call) => {
  const [condition, yes, no] = [input(call, 0), input(call, 1), input(call, 2)];
  const { dims, data } = combined([condition, yes, no], (c, a, b) => (c !== 0 ? a! : b!));
  return [like(yes, dims, data)];
};

/** Functions of two or more values that are broadcast together. */
export const BINARY: Kernels = {
  'com.microsoft:BiasGelu': always((x, bias) => gelu(x! + bias!)),
  'com.microsoft:FastGelu': always((x, bias = 0) => geluTanh(x! + bias)),
  Add: always((a, b) => a! + b!),
  Sub: always((a, b) => a! - b!),
  Mul: always((a, b) => a! * b!),
  Div: arithmetic((_, { kind }) => (kind === 'int' ? (a, b) => Math.trunc(a! / b!) : (a, b) => a! / b!)),
  Pow: arithmetic((_, { kind }) => (kind === 'int' ? (a, b) => Math.trunc(a! ** b!) : (a, b) => a! ** b!)),
  Mod: arithmetic(({ node }) => modulo(intOf(node, 'fmod', 0) !== 0) as (...elements: number[]) => number),
  PRelu: always((x, slope) => (x! < 0 ? slope! * x! : x!)),
  Max: always(Math.max),
  Min: always(Math.min),
  Sum: always((...elements) => elements.reduce((a, b) => a + b, 0)),
  Mean: always((...elements) => elements.reduce((a, b) => a + b, 0) / elements.length),
  And: always((a, b) => a! * b!),
  Or: always(Math.max),
  Xor: always((a, b) => Number(a !== b)),
  Equal: compared((a, b) => a === b),
  Greater: compared((a, b) => a > b),
  Less: compared((a, b) => a < b),
  GreaterOrEqual: compared((a, b) => a >= b),
  LessOrEqual: compared((a, b) => a <= b),
  Where: where,
};
