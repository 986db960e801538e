import { floatOf, intOf, type Node, stringOf } from '../../src/graph/index.ts';
import { input, type Kernel, type Kernels, single } from './kernel.ts';
import { bool, like, wrap } from './value.ts';

type Function1 = (x: number) => number;

/** One number in, one out; the attributes of the node choose the function. */
const each =
  (functionOf: (node: Node) => Function1): Kernel =>
  (call) => {
    const x = input(call, 0);
    const f = functionOf(call.node);
    return [like(x, x.dims, x.data.map(x.kind === 'int' ? (v) => wrap(f(v), x.dtype) : (v) => f(v)))];
  };

const plain = (f: Function1): Kernel => each(() => f);

const asked =
  (predicate: (node: Node, x: number) => boolean): Kernel =>
  (call) => {
    const x = input(call, 0);
    return [
      bool(
        x.dims,
        x.data.map((v) => Number(predicate(call.node, v))),
      ),
    ];
  };

/** erf(x) = 2 / sqrt(pi) exp(-x^2) sum over n of 2^n x^(2n+1) / (1 3 5 ... (2n+1)); all terms have one sign (DLMF 7.6.2). */
export function erf(x: number): number {
  // 1 - erf(6) is 2e-17: less than a double can tell from 1.
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

/** The nearest whole number; the even one of two that are equally near. */
export function roundEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

export const sigmoid: Function1 = (x) => 1 / (1 + Math.exp(-x));

/** log(1 + exp(x)), without overflow. */
const softplus: Function1 = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

export const gelu: Function1 = (x) => 0.5 * x * (1 + erf(x / Math.SQRT2));

export const geluTanh: Function1 = (x) =>
  0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));

const clip: Kernel = (call) => {
  const x = input(call, 0);
  // Opset 11 made the bounds inputs.
  const low = call.inputs[1]?.data[0] ?? floatOf(call.node, 'min', -Infinity);
  const high = call.inputs[2]?.data[0] ?? floatOf(call.node, 'max', Infinity);
  return [
    like(
      x,
      x.dims,
      x.data.map((v) => Math.min(Math.max(v, low), high)),
    ),
  ];
};

/** Functions of one number, element by element. */
export const UNARY: Kernels = {
  Abs: plain(Math.abs),
  Neg: plain((x) => -x),
  Exp: plain(Math.exp),
  Log: plain(Math.log),
  Sqrt: plain(Math.sqrt),
  Reciprocal: plain((x) => 1 / x),
  Sin: plain(Math.sin),
  Cos: plain(Math.cos),
  Tan: plain(Math.tan),
  Asin: plain(Math.asin),
  Acos: plain(Math.acos),
  Atan: plain(Math.atan),
  Sinh: plain(Math.sinh),
  Cosh: plain(Math.cosh),
  Asinh: plain(Math.asinh),
  Acosh: plain(Math.acosh),
  Atanh: plain(Math.atanh),
  Erf: plain(erf),
  Floor: plain(Math.floor),
  Ceil: plain(Math.ceil),
  Round: plain(roundEven),
  Sign: plain(Math.sign),
  Not: plain((x) => 1 - x),
  IsNaN: asked((_, x) => Number.isNaN(x)),
  IsInf: asked(
    (node, x) =>
      (x === Infinity && intOf(node, 'detect_positive', 1) !== 0) ||
      (x === -Infinity && intOf(node, 'detect_negative', 1) !== 0),
  ),
  Relu: plain((x) => Math.max(x, 0)),
  LeakyRelu: each((node) => {
    const alpha = single(node, 'alpha', 0.01);
    return (x) => (x < 0 ? alpha * x : x);
  }),
  ThresholdedRelu: each((node) => {
    const alpha = single(node, 'alpha', 1);
    return (x) => (x > alpha ? x : 0);
  }),
  Elu: each((node) => {
    const alpha = single(node, 'alpha', 1);
    return (x) => (x < 0 ? alpha * Math.expm1(x) : x);
  }),
  Selu: each((node) => {
    const alpha = single(node, 'alpha', 1.6732632423543772);
    const gamma = single(node, 'gamma', 1.0507009873554805);
    return (x) => gamma * (x < 0 ? alpha * Math.expm1(x) : x);
  }),
  Celu: each((node) => {
    const alpha = single(node, 'alpha', 1);
    return (x) => Math.max(0, x) + Math.min(0, alpha * Math.expm1(x / alpha));
  }),
  Shrink: each((node) => {
    const [lambd, bias] = [single(node, 'lambd', 0.5), single(node, 'bias', 0)];
    return (x) => (x < -lambd ? x + bias : x > lambd ? x - bias : 0);
  }),
  Sigmoid: plain(sigmoid),
  Tanh: plain(Math.tanh),
  Softplus: plain(softplus),
  Softsign: plain((x) => x / (1 + Math.abs(x))),
  Mish: plain((x) => x * Math.tanh(softplus(x))),
  HardSigmoid: each((node) => {
    const [alpha, beta] = [single(node, 'alpha', 0.2), single(node, 'beta', 0.5)];
    return (x) => Math.max(0, Math.min(1, alpha * x + beta));
  }),
  HardSwish: plain((x) => x * Math.max(0, Math.min(1, x / 6 + 0.5))),
  Swish: each((node) => {
    const alpha = single(node, 'alpha', 1);
    return (x) => x * sigmoid(alpha * x);
  }),
  Gelu: each((node) => (stringOf(node, 'approximate', 'none') === 'tanh' ? geluTanh : gelu)),
  'com.microsoft:Gelu': plain(gelu),
  'com.microsoft:QuickGelu': each((node) => {
    const alpha = single(node, 'alpha', 1.702);
    return (x) => x * sigmoid(alpha * x);
  }),
  Clip: clip,
};
