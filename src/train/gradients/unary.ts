import type { OpName } from '../../graph/index.ts';
import type { Composer } from '../composer.ts';
import type { GradientRule } from './rule.ts';
import { pointwise, signs } from './site.ts';

const square = (to: Composer, x: string) => to.op('Mul', [x, x]);
const mul = (to: Composer, a: string, b: string) => to.op('Mul', [a, b]);
const div = (to: Composer, a: string, b: string) => to.op('Div', [a, b]);
const neg = (to: Composer, a: string) => to.op('Neg', [a]);

/** sqrt(1 - x^2) and its like. */
const root = (to: Composer, inside: string) => to.op('Sqrt', [inside]);
const oneMinus = (to: Composer, x: string) => to.op('Sub', [to.float(1), x]);
const onePlus = (to: Composer, x: string) => to.op('Add', [x, to.float(1)]);

/** Functions of one variable from mathematics. */
export const UNARY = {
  Neg: pointwise((to, g) => neg(to, g)),
  Abs: pointwise((to, g, x) => mul(to, g, signs(to, x))),
  Exp: pointwise((to, g, _x, y) => mul(to, g, y)),
  Log: pointwise((to, g, x) => div(to, g, x)),
  Sqrt: pointwise((to, g, _x, y) => mul(to, g, div(to, to.float(0.5), y))),
  Reciprocal: pointwise((to, g, _x, y) => neg(to, mul(to, g, square(to, y)))),
  Sin: pointwise((to, g, x) => mul(to, g, to.op('Cos', [x]))),
  Cos: pointwise((to, g, x) => neg(to, mul(to, g, to.op('Sin', [x])))),
  Tan: pointwise((to, g, _x, y) => mul(to, g, onePlus(to, square(to, y)))),
  Asin: pointwise((to, g, x) => div(to, g, root(to, oneMinus(to, square(to, x))))),
  Acos: pointwise((to, g, x) => neg(to, div(to, g, root(to, oneMinus(to, square(to, x)))))),
  Atan: pointwise((to, g, x) => div(to, g, onePlus(to, square(to, x)))),
  Sinh: pointwise((to, g, x) => mul(to, g, to.op('Cosh', [x]))),
  Cosh: pointwise((to, g, x) => mul(to, g, to.op('Sinh', [x]))),
  Tanh: pointwise((to, g, _x, y) => mul(to, g, oneMinus(to, square(to, y)))),
  Asinh: pointwise((to, g, x) => div(to, g, root(to, onePlus(to, square(to, x))))),
  Acosh: pointwise((to, g, x) => div(to, g, root(to, to.op('Sub', [square(to, x), to.float(1)])))),
  Atanh: pointwise((to, g, x) => div(to, g, oneMinus(to, square(to, x)))),
  // 2 / sqrt(pi) exp(-x^2)
  Erf: pointwise((to, g, x) => {
    const bell = to.op('Exp', [neg(to, square(to, x))]);
    return mul(to, g, mul(to, bell, to.float(2 / Math.sqrt(Math.PI))));
  }),
} as const satisfies Partial<Record<OpName, GradientRule>>;
