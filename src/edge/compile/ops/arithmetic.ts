import { floatOf, intOf, stringOf } from '../../../graph/index.ts';
import type { ElementOp } from '../kernels/element-ops.ts';
import { unsupported } from '../plan/lowering.ts';
import { constant, op, type Tree } from '../plan/tree.ts';
import type { Value } from '../plan/value.ts';
import { floatOnly, input, type Row, type Site, shellOf } from './row.ts';

function lazy(site: Site, tree: Tree): Value[] {
  return [{ ...shellOf(site), tree }];
}

/** Arithmetic on one operand; `parameters` reads attributes. */
const unary =
  (name: ElementOp, parameters: (site: Site) => number[] = () => []): Row =>
  (site) => {
    const x = input(site, 0);
    floatOnly(x);
    return lazy(site, op(name, [site.low.tree(x)], parameters(site)));
  };

const binary =
  (name: ElementOp, swapped = false): Row =>
  (site) => {
    const operands = [input(site, 0), input(site, 1)];
    operands.forEach(floatOnly);
    const trees = operands.map((value) => site.low.tree(value));
    return lazy(site, op(name, swapped ? trees.reverse() : trees));
  };

const logic =
  (name: ElementOp): Row =>
  (site) =>
    lazy(
      site,
      op(
        name,
        site.inputs.map((_, i) => site.low.tree(bool(input(site, i)))),
      ),
    );

function bool(value: Value): Value {
  if (value.dtype !== 'bool') throw unsupported(`logic on ${value.dtype}`);
  return value;
}

/** Any number of operands, taken two at a time. */
const many =
  (name: ElementOp, divide = false): Row =>
  (site) => {
    const operands = site.inputs.map((_, i) => input(site, i));
    operands.forEach(floatOnly);
    const all = operands.map((value) => site.low.tree(value)).reduce((sum, next) => op(name, [sum, next]));
    const tree = divide ? op('mul', [all, constant(1 / operands.length)]) : all;
    return lazy(site, operands.length === 1 && !divide ? op('identity', [tree]) : tree);
  };

const number = (name: string, absent: number) => (site: Site) => floatOf(site.node, name, absent);

const pow: Row = (site) => {
  const [x, y] = [input(site, 0), input(site, 1)];
  floatOnly(x);
  const tree = site.low.tree(x);
  const exponent = y.constant?.size === 1 ? y.constant.numbers()[0]! : undefined;
  if (exponent === 0.5) return lazy(site, op('sqrt', [tree]));
  if (exponent !== undefined && Number.isInteger(exponent) && Math.abs(exponent) <= 16) {
    return lazy(site, op('wholePower', [tree], [exponent]));
  }
  floatOnly(y);
  return lazy(site, op('pow', [tree, site.low.tree(y)]));
};

const clip: Row = (site) => {
  const x = input(site, 0);
  floatOnly(x);
  const bound = (i: number, name: string, absent: number): number => {
    const given = floatOf(site.node, name);
    const value = site.inputs[i];
    if (given !== undefined || value === undefined) return given ?? absent;
    if (value.constant === undefined) throw unsupported('a bound that is computed at run time');
    return value.constant.numbers()[0]!;
  };
  const bounds = [bound(1, 'min', Number.NEGATIVE_INFINITY), bound(2, 'max', Number.POSITIVE_INFINITY)];
  return lazy(site, op('clip', [site.low.tree(x)], bounds));
};

const div: Row = (site) => {
  const [x, y] = [input(site, 0), input(site, 1)];
  floatOnly(x);
  return lazy(site, op('div', [site.low.tree(x), site.low.tree(y)]));
};

const gelu: Row = (site) => {
  const name = stringOf(site.node, 'approximate', 'none') === 'tanh' ? 'geluTanh' : 'gelu';
  return unary(name)(site);
};

/** Only between numbers that kernels read: floats, booleans, whole numbers into floats. */
const cast: Row = (site) => {
  const x = input(site, 0);
  const to = shellOf(site).dtype;
  if (x.dtype === to) return lazy(site, op('identity', [site.low.tree(x)]));
  if (to === 'float32' && ['bool', 'int32', 'int64'].includes(x.dtype)) {
    return lazy(site, op('identity', [site.low.tree(x)]));
  }
  if (to === 'bool' && x.dtype === 'float32') return lazy(site, op('not', [op('not', [site.low.tree(x)])]));
  throw unsupported(`a cast from ${x.dtype} to ${to}`);
};

const where: Row = (site) => {
  const [truth, yes, no] = [bool(input(site, 0)), input(site, 1), input(site, 2)];
  floatOnly(yes);
  return lazy(
    site,
    op(
      'where',
      [truth, yes, no].map((value) => site.low.tree(value)),
    ),
  );
};

const mish: Row = (site) => {
  const x = site.low.tree(input(site, 0));
  return lazy(site, op('mul', [x, op('tanh', [op('softplus', [x])])]));
};

/** scale * (x - mean) / sqrt(variance + epsilon) + bias, of constants one multiplication and one addition a channel. */
const batchNorm: Row = (site) => {
  const x = input(site, 0);
  floatOnly(x);
  const [scale, bias, mean, variance] = [1, 2, 3, 4].map((i) => {
    const tensor = input(site, i).constant;
    if (tensor === undefined) throw unsupported('a normalization with computed statistics');
    return tensor.numbers();
  }) as [number[], number[], number[], number[]];
  if (intOf(site.node, 'training_mode', 0) !== 0) throw unsupported('a normalization that trains');
  const epsilon = floatOf(site.node, 'epsilon', 1e-5);
  const factors = scale.map((value, c) => value / Math.sqrt(variance[c]! + epsilon));
  const dims = [scale.length, ...new Array<number>(x.dims.length - 2).fill(1)];
  const leafOf = (values: number[]): Tree => ({
    kind: 'leaf',
    view: site.low.program.floats(`${site.low.label} factors`, dims, Float32Array.from(values)),
  });
  const shift = leafOf(factors.map((factor, c) => bias[c]! - mean[c]! * factor));
  return lazy(site, op('add', [op('mul', [site.low.tree(x), leafOf(factors)]), shift]));
};

/** Arithmetic on single elements, broadcast. */
export const ARITHMETIC = {
  Add: binary('add'),
  Sub: binary('sub'),
  Mul: binary('mul'),
  Div: div,
  Pow: pow,
  PRelu: binary('prelu'),
  Min: many('min'),
  Max: many('max'),
  Sum: many('add'),
  Mean: many('add', true),
  Equal: binary('equal'),
  Less: binary('less'),
  Greater: binary('less', true),
  LessOrEqual: binary('lessEqual'),
  GreaterOrEqual: binary('lessEqual', true),
  And: logic('and'),
  Or: logic('or'),
  Not: logic('not'),
  Where: where,
  Cast: cast,
  Neg: unary('neg'),
  Abs: unary('abs'),
  Sqrt: unary('sqrt'),
  Reciprocal: unary('reciprocal'),
  Floor: unary('floor'),
  Ceil: unary('ceil'),
  Round: unary('round'),
  Sign: unary('sign'),
  Exp: unary('exp'),
  Log: unary('log'),
  Erf: unary('erf'),
  Tanh: unary('tanh'),
  Sigmoid: unary('sigmoid'),
  Relu: unary('relu'),
  LeakyRelu: unary('leakyRelu', (site) => [number('alpha', 0.01)(site)]),
  ThresholdedRelu: unary('thresholdedRelu', (site) => [number('alpha', 1)(site)]),
  Elu: unary('elu', (site) => [number('alpha', 1)(site)]),
  Selu: unary('selu', (site) => [
    number('alpha', 1.6732632423543772)(site),
    number('gamma', 1.0507009873554805)(site),
  ]),
  Softplus: unary('softplus'),
  Softsign: unary('softsign'),
  HardSigmoid: unary('hardSigmoid', (site) => [number('alpha', 0.2)(site), number('beta', 0.5)(site)]),
  HardSwish: unary('hardSwish'),
  Mish: mish,
  Gelu: gelu,
  Clip: clip,
  BatchNormalization: batchNorm,
} as const satisfies Record<string, Row>;
