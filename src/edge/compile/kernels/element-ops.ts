import type { Builder } from '../loop/builder.ts';
import type { Expr } from '../loop/ir.ts';
import type { Lanes } from '../loop/lanes.ts';
import type { MathLibrary } from '../loop/math.ts';

/** Where a rule of arithmetic writes. */
export interface ElementSite {
  readonly b: Builder;
  readonly l: Lanes;
  readonly math: MathLibrary;
}

type Rule = (site: ElementSite, args: readonly Expr[], parameters: readonly number[]) => Expr;

const unary =
  (rule: (site: ElementSite, x: Expr, parameters: readonly number[]) => Expr): Rule =>
  (site, [x], parameters) =>
    rule(site, hold(site, x!), parameters);

const binary =
  (rule: (site: ElementSite, x: Expr, y: Expr) => Expr): Rule =>
  (site, [x, y]) =>
    rule(site, x!, y!);

/** A value that is read more than once is computed once. */
export function hold({ b }: ElementSite, value: Expr): Expr {
  return value.kind === 'local' || value.kind === 'constant' ? value : b.local('e', value);
}

/** 1 where the truth holds, else 0. */
const asNumber = ({ l }: ElementSite, truth: Expr): Expr => l.select(truth, l.constant(1), l.constant(0));
const isTrue = ({ l }: ElementSite, x: Expr): Expr => l.not(l.eq(x, l.constant(0)));

const compare = (rule: (l: Lanes, x: Expr, y: Expr) => Expr): Rule =>
  binary((site, x, y) => asNumber(site, rule(site.l, x, y)));

/** x^n for a whole n of at most 16, by squaring. */
function wholePower(site: ElementSite, x: Expr, n: number): Expr {
  const { l } = site;
  if (n === 0) return l.constant(1);
  let [power, result, rest] = [x, undefined as Expr | undefined, Math.abs(n)];
  for (;;) {
    if (rest % 2 === 1) result = result === undefined ? power : hold(site, l.mul(result, power));
    rest = Math.floor(rest / 2);
    if (rest === 0) break;
    power = hold(site, l.mul(power, power));
  }
  return n < 0 ? l.div(l.constant(1), result!) : result!;
}

/** x^y by e^(y ln|x|); the sign of a negative x stays for an odd whole y, and any other y makes it NaN. */
function power(site: ElementSite, x: Expr, y: Expr): Expr {
  const { l, math } = site;
  const size = hold(site, math.call('exp', l.mul(y, math.call('log', l.abs(x)))));
  const whole = l.eq(l.floor(y), y);
  const half = hold(site, l.mul(y, l.constant(0.5)));
  const odd = l.not(l.eq(l.floor(half), half));
  const negative = l.select(whole, l.select(odd, l.neg(size), size), l.constant(Number.NaN));
  const signed = l.select(l.lt(x, l.constant(0)), hold(site, negative), size);
  return l.select(l.eq(y, l.constant(0)), l.constant(1), hold(site, signed));
}

const clamp = ({ l }: ElementSite, x: Expr, low: number, high: number): Expr => {
  const above = low === Number.NEGATIVE_INFINITY ? x : l.max(x, l.constant(low));
  return high === Number.POSITIVE_INFINITY ? above : l.min(above, l.constant(high));
};

/** Arithmetic on one element of each operand. Booleans are 0 and 1. */
export const ELEMENT_OPS = {
  add: binary(({ l }, x, y) => l.add(x, y)),
  sub: binary(({ l }, x, y) => l.sub(x, y)),
  mul: binary(({ l }, x, y) => l.mul(x, y)),
  div: binary(({ l }, x, y) => l.div(x, y)),
  min: (site, [x, y]) => site.l.min(hold(site, x!), hold(site, y!)),
  max: (site, [x, y]) => site.l.max(hold(site, x!), hold(site, y!)),
  pow: (site, [x, y]) => power(site, hold(site, x!), hold(site, y!)),
  prelu: (site, [x, slope]) => {
    const held = hold(site, x!);
    return site.l.select(site.l.lt(held, site.l.constant(0)), site.l.mul(held, slope!), held);
  },
  equal: compare((l, x, y) => l.eq(x, y)),
  less: compare((l, x, y) => l.lt(x, y)),
  lessEqual: compare((l, x, y) => l.le(x, y)),
  and: binary((site, x, y) => asNumber(site, site.l.and(isTrue(site, x), isTrue(site, y)))),
  or: binary((site, x, y) =>
    asNumber(
      site,
      site.l.not(site.l.and(site.l.eq(x, site.l.constant(0)), site.l.eq(y, site.l.constant(0)))),
    ),
  ),
  not: unary((site, x) => asNumber(site, site.l.eq(x, site.l.constant(0)))),
  where: (site, [truth, yes, no]) => site.l.select(isTrue(site, truth!), hold(site, yes!), hold(site, no!)),
  wholePower: unary((site, x, [n = 1]) => wholePower(site, x, n)),
  identity: unary((_, x) => x),
  neg: unary(({ l }, x) => l.neg(x)),
  abs: unary(({ l }, x) => l.abs(x)),
  sqrt: unary(({ l }, x) => l.sqrt(x)),
  floor: unary(({ l }, x) => l.floor(x)),
  ceil: unary(({ l }, x) => l.ceil(x)),
  round: unary(({ l }, x) => l.nearest(x)),
  reciprocal: unary(({ l }, x) => l.div(l.constant(1), x)),
  exp: unary(({ math }, x) => math.call('exp', x)),
  log: unary(({ math }, x) => math.call('log', x)),
  erf: unary(({ math }, x) => math.call('erf', x)),
  tanh: unary(({ math }, x) => math.call('tanh', x)),
  sigmoid: unary(({ math }, x) => math.call('sigmoid', x)),
  sign: unary(({ l }, x) =>
    l.select(l.lt(l.constant(0), x), l.constant(1), l.select(l.lt(x, l.constant(0)), l.constant(-1), x)),
  ),
  relu: unary(({ l }, x) => l.max(x, l.constant(0))),
  clip: unary((site, x, [low = Number.NEGATIVE_INFINITY, high = Number.POSITIVE_INFINITY]) =>
    clamp(site, x, low, high),
  ),
  leakyRelu: unary(({ l }, x, [alpha = 0]) =>
    l.select(l.lt(x, l.constant(0)), l.mul(x, l.constant(alpha)), x),
  ),
  thresholdedRelu: unary(({ l }, x, [alpha = 1]) => l.select(l.lt(l.constant(alpha), x), x, l.constant(0))),
  hardSigmoid: unary((site, x, [alpha = 0.2, beta = 0.5]) => {
    const { l } = site;
    return clamp(site, l.add(l.mul(x, l.constant(alpha)), l.constant(beta)), 0, 1);
  }),
  hardSwish: unary((site, x) => {
    const { l } = site;
    return l.mul(x, clamp(site, l.add(l.mul(x, l.constant(1 / 6)), l.constant(0.5)), 0, 1));
  }),
  elu: unary(({ l, math }, x, [alpha = 1]) =>
    l.select(l.lt(x, l.constant(0)), l.mul(l.constant(alpha), l.sub(math.call('exp', x), l.constant(1))), x),
  ),
  selu: unary(({ l, math }, x, [alpha = 1, gamma = 1]) =>
    l.mul(
      l.constant(gamma),
      l.select(
        l.lt(x, l.constant(0)),
        l.mul(l.constant(alpha), l.sub(math.call('exp', x), l.constant(1))),
        x,
      ),
    ),
  ),
  /** ln(1 + e^x), as max(x, 0) + ln(1 + e^-|x|), which does not overflow. */
  softplus: unary(({ l, math }, x) =>
    l.add(l.max(x, l.constant(0)), math.call('log', l.add(l.constant(1), math.call('exp', l.neg(l.abs(x)))))),
  ),
  softsign: unary(({ l }, x) => l.div(x, l.add(l.constant(1), l.abs(x)))),
  gelu: unary(({ l, math }, x) =>
    l.mul(
      l.mul(x, l.constant(0.5)),
      l.add(l.constant(1), math.call('erf', l.mul(x, l.constant(Math.SQRT1_2)))),
    ),
  ),
  geluTanh: unary((site, x) => {
    const { l, math } = site;
    const cubic = l.mul(l.mul(x, x), l.mul(x, l.constant(0.044715)));
    const inner = l.mul(l.constant(Math.sqrt(2 / Math.PI)), l.add(x, cubic));
    return l.mul(l.mul(x, l.constant(0.5)), l.add(l.constant(1), math.call('tanh', inner)));
  }),
} as const satisfies Record<string, Rule>;

export type ElementOp = keyof typeof ELEMENT_OPS;
