import { intOf, type OpName, sizeOf } from '../../graph/index.ts';
import type { GradientRule, GradientSite } from './rule.ts';
import { frontAxis, masked, refuse, signs } from './site.ts';

/** A reduction, its output and the gradient of that with every reduced axis kept as 1. */
interface Reduction {
  readonly axes: readonly number[];
  /** Elements that make one of the output. */
  readonly count: number;
  readonly g: string;
  readonly x: string;
  readonly y: string;
}

function reduction(site: GradientSite): Reduction {
  const { to } = site;
  const dims = site.shape(0);
  const given = site.input(1) === '' ? [] : to.elements(site.input(1));
  if (given === undefined) refuse(site, 'over axes that are computed');
  const noop = given.length === 0 && intOf(site.node, 'noop_with_empty_axes', 0) === 1;
  const all = dims.map((_, i) => i);
  const axes = noop ? [] : given.length === 0 ? all : given.map((axis) => frontAxis(axis, dims.length));
  const kept = dims.map((size, i) => (axes.includes(i) ? 1 : size));
  return {
    axes,
    count: sizeOf(dims) / Math.max(1, sizeOf(kept)),
    g: to.reshape(site.gradient()!, kept),
    x: site.input(0),
    get y() {
      return to.reshape(site.output(), kept);
    },
  };
}

/** The rule: `slope` gives a gradient that still may be of the kept shape, from the reduction. */
function reduced(slope: (to: GradientSite['to'], r: Reduction) => string): GradientRule {
  return (site) => [site.to.expand(slope(site.to, reduction(site)), site.shape(0))];
}

/** Elements that are the extremum share its gradient evenly. */
const extremum = reduced((to, { axes, g, x, y }) => {
  const chosen = to.op('Cast', [to.op('Equal', [x, y])], { to: 1 });
  return to.op('Mul', [chosen, to.op('Div', [g, to.sum(chosen, axes, true)])]);
});

/**
 * The product of all others: y / x, but right with zeros, too. Where one element is zero only that has a gradient, where
 * there are two none has.
 */
const product = reduced((to, { axes, g, x }) => {
  const zero = to.op('Equal', [x, to.float(0)]);
  const flag = to.op('Cast', [zero], { to: 1 });
  const safe = to.op('Where', [zero, to.float(1), x]);
  const whole = to.op('ReduceProd', [safe, to.ints(axes)], { keepdims: 1, noop_with_empty_axes: 1 });
  const otherZeros = to.op('Sub', [to.sum(flag, axes, true), flag]);
  const rest = to.op('Div', [to.op('Mul', [g, whole]), safe]);
  return masked(to, to.op('Equal', [otherZeros, to.float(0)]), rest);
});

/** Sums and the like over axes. */
export const REDUCE = {
  ReduceSum: reduced((_to, { g }) => g),
  ReduceMean: reduced((to, { g, count }) => to.op('Mul', [g, to.float(1 / count)])),
  ReduceMax: extremum,
  ReduceMin: extremum,
  ReduceProd: product,
  ReduceL1: reduced((to, { g, x }) => to.op('Mul', [signs(to, x), g])),
  // x / y; of nothing but zeros, 0.
  ReduceL2: reduced((to, { g, x, y }) =>
    to.op('Mul', [x, to.op('Div', [g, to.op('Max', [y, to.float(1e-30)])])]),
  ),
  ReduceLogSum: reduced((to, { g, y }) => to.op('Div', [g, to.op('Exp', [y])])),
  ReduceLogSumExp: reduced((to, { g, x, y }) => to.op('Mul', [to.op('Exp', [to.op('Sub', [x, y])]), g])),
  ReduceSumSquare: reduced((to, { g, x }) => to.op('Mul', [x, to.op('Mul', [g, to.float(2)])])),
} as const satisfies Partial<Record<OpName, GradientRule>>;
