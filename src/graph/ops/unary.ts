import { known, likeInput, type OpSpec, perOutput, type Site, spec } from './op.ts';

interface Facts {
  readonly since: readonly number[];
  /** Arithmetic per element. */
  readonly count?: number;
  /** The function itself, where shapes may be computed through it. */
  readonly of?: (x: number) => number;
  /** The dtype of the output, where it is not that of the input. */
  readonly to?: 'bool';
  readonly inputs?: readonly [number, number];
}

/** An op that maps each element by a function of one variable. */
function unary(op: string, { since, count = 1, of, to, inputs = [1, 1] }: Facts): OpSpec {
  return spec({
    op,
    since,
    inputs,
    says: 'as the input',
    infer: (site) => {
      const [out] = likeInput(site);
      const elements = of === undefined ? undefined : applied(site, of);
      return [known(to ?? out!.dtype, out!.shape, elements)];
    },
    cost: perOutput(count),
    traits: { elementwise: true, sameShape: true, ...(to === undefined ? { sameType: true } : {}) },
  });
}

function applied(site: Site, of: (x: number) => number) {
  return site.at(0).elements?.map((x) => (typeof x === 'number' ? of(x) : null));
}

/** Elementwise functions of one variable. */
export const UNARY = {
  Abs: unary('Abs', { since: [1, 6, 13], of: Math.abs }),
  Acos: unary('Acos', { since: [7, 22] }),
  Acosh: unary('Acosh', { since: [9, 22] }),
  Asin: unary('Asin', { since: [7, 22] }),
  Asinh: unary('Asinh', { since: [9, 22] }),
  Atan: unary('Atan', { since: [7, 22] }),
  Atanh: unary('Atanh', { since: [9, 22] }),
  BitwiseNot: unary('BitwiseNot', { since: [18] }),
  Ceil: unary('Ceil', { since: [1, 6, 13], of: Math.ceil }),
  Celu: unary('Celu', { since: [12, 28], count: 6 }),
  Cos: unary('Cos', { since: [7, 22] }),
  Cosh: unary('Cosh', { since: [9, 22] }),
  Elu: unary('Elu', { since: [1, 6, 22], count: 4 }),
  Erf: unary('Erf', { since: [9, 13] }),
  Exp: unary('Exp', { since: [1, 6, 13] }),
  Floor: unary('Floor', { since: [1, 6, 13], of: Math.floor }),
  Gelu: unary('Gelu', { since: [20], count: 5 }),
  HardSigmoid: unary('HardSigmoid', { since: [1, 6, 22], count: 4 }),
  HardSwish: unary('HardSwish', { since: [14, 22], count: 5 }),
  IsInf: unary('IsInf', { since: [10, 20], to: 'bool' }),
  IsNaN: unary('IsNaN', { since: [9, 13, 20], to: 'bool' }),
  LeakyRelu: unary('LeakyRelu', { since: [1, 6, 16], count: 2 }),
  Log: unary('Log', { since: [1, 6, 13] }),
  Mish: unary('Mish', { since: [18, 22], count: 5 }),
  Neg: unary('Neg', { since: [1, 6, 13], of: (x) => -x }),
  Not: unary('Not', { since: [1], of: (x) => (x === 0 ? 1 : 0) }),
  Reciprocal: unary('Reciprocal', { since: [1, 6, 13], of: (x) => 1 / x }),
  Relu: unary('Relu', { since: [1, 6, 13, 14], of: (x) => Math.max(0, x) }),
  Round: unary('Round', { since: [11, 22] }),
  Selu: unary('Selu', { since: [1, 6, 22], count: 4 }),
  Shrink: unary('Shrink', { since: [9], count: 3 }),
  Sigmoid: unary('Sigmoid', { since: [1, 6, 13], count: 4 }),
  Sign: unary('Sign', { since: [9, 13], of: Math.sign }),
  Sin: unary('Sin', { since: [7, 22] }),
  Sinh: unary('Sinh', { since: [9, 22] }),
  Softplus: unary('Softplus', { since: [1, 22], count: 3 }),
  Softsign: unary('Softsign', { since: [1, 22], count: 3 }),
  Sqrt: unary('Sqrt', { since: [1, 6, 13], of: Math.sqrt }),
  Swish: unary('Swish', { since: [24], count: 6 }),
  Tan: unary('Tan', { since: [7, 22] }),
  Tanh: unary('Tanh', { since: [1, 6, 13] }),
  ThresholdedRelu: unary('ThresholdedRelu', { since: [10, 22] }),
  Clip: unary('Clip', { since: [1, 6, 11, 12, 13], count: 2, inputs: [1, 3] }),
} as const satisfies Record<string, OpSpec>;
