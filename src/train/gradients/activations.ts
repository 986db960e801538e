import { floatOf, type OpName, stringOf } from '../../graph/index.ts';
import type { Composer } from '../composer.ts';
import type { GradientRule, GradientSite } from './rule.ts';
import { masked, operand, pointwise, signs } from './site.ts';

/*
 * At a kink any slope between those of its sides is a subgradient; ours is said with each rule. Where there is a choice,
 * forms are taken that the runtime's vectorized kernels do in few passes over memory.
 */

/** g where x > limit, else `other`. */
const above = (to: Composer, x: string, limit: number, g: string, other: string) =>
  to.op('Where', [to.op('Greater', [x, to.float(limit)]), g, other]);

/** d x Phi(x) = Phi(x) + x phi(x), with the normal distribution Phi and its density phi (Hendrycks and Gimpel 2016). */
function geluSlope(to: Composer, x: string): string {
  const scaled = to.op('Mul', [x, to.float(Math.SQRT1_2)]);
  // (1 + erf) / 2 in one pass; it lies in [0, 1], where HardSigmoid clips nothing.
  const phi = to.op('HardSigmoid', [to.op('Erf', [scaled])], { alpha: 0.5, beta: 0.5 });
  const bell = to.op('Exp', [to.op('Neg', [to.op('Mul', [scaled, scaled])])]);
  const weighted = to.op('Mul', [to.op('Mul', [x, bell]), to.float(1 / Math.sqrt(2 * Math.PI))]);
  return to.op('Add', [phi, weighted]);
}

/** Of the approximation x (1 + tanh u) / 2, u = sqrt(2 / pi) (x + 0.044715 x^3). */
function tanhGeluSlope(to: Composer, x: string): string {
  const k = Math.sqrt(2 / Math.PI);
  const square = to.op('Mul', [x, x]);
  const inner = to.op('Add', [to.op('Mul', [square, to.float(0.044715 * k)]), to.float(k)]);
  const t = to.op('Tanh', [to.op('Mul', [inner, x])]);
  const half = to.op('HardSigmoid', [t], { alpha: 0.5, beta: 0.5 });
  // sech^2(u) / 2 = 2 half (1 - half)
  const bell = to.op('Sub', [half, to.op('Mul', [half, half])]);
  const slope = to.op('Add', [to.op('Mul', [square, to.float(6 * 0.044715 * k)]), to.float(2 * k)]);
  return to.op('Add', [half, to.op('Mul', [to.op('Mul', [bell, slope]), x])]);
}

const gelu: GradientRule = pointwise((to, g, x, _y, { node }) => {
  const slope = stringOf(node, 'approximate', 'none') === 'tanh' ? tanhGeluSlope : geluSlope;
  return to.op('Mul', [g, slope(to, x)]);
});

/** Gelu of x + bias; both get the same gradient, the bias summed back to its shape. */
function biasedGelu(slope: (to: Composer, x: string) => string): GradientRule {
  return (site) => {
    const { to } = site;
    const x = site.input(1) === '' ? site.input(0) : to.op('Add', [site.input(0), site.input(1)]);
    const whole = to.op('Mul', [site.gradient()!, slope(to, x)]);
    return [operand(site, 0, () => whole), operand(site, 1, () => whole)];
  };
}

/** g (y / alpha + 1) where y < 0, g elsewhere; right for y = alpha (exp(x / alpha) - 1). */
function exponentialSlope(to: Composer, g: string, y: string, alpha: number): string {
  const below = to.op('Min', [y, to.float(0)]);
  const scaled = alpha === 1 ? below : to.op('Mul', [below, to.float(1 / alpha)]);
  return to.op('Mul', [g, to.op('Add', [scaled, to.float(1)])]);
}

/** Inside of the bounds g goes to x (on them, too); outside to the bound that holds. */
const clip: GradientRule = (site) => {
  const { to } = site;
  const [g, x, y] = [site.gradient()!, site.input(0), site.output()];
  const bound = (i: number, beyond: string) => {
    if (!site.wants(i)) return undefined;
    return operand(site, i, () => masked(to, to.op(beyond, [x, site.input(i)]), g));
  };
  return [
    site.wants(0) ? masked(to, to.op('Equal', [x, y]), g) : undefined,
    bound(1, 'Less'),
    bound(2, 'Greater'),
  ];
};

const prelu = (site: GradientSite) => {
  const { to } = site;
  const [g, x, slope] = [site.gradient()!, site.input(0), site.input(1)];
  return [
    site.wants(0) ? above(to, x, 0, g, to.op('Mul', [g, slope])) : undefined,
    operand(site, 1, () => to.op('Mul', [g, to.op('Min', [x, to.float(0)])])),
  ];
};

/** Activations. */
export const ACTIVATIONS = {
  // 1 where y is not 0; 0 at the kink.
  Relu: pointwise((to, g, _x, y) => masked(to, to.op('Cast', [y], { to: 9 }), g)),
  // For slopes between 0 and 1, x scaled up and clipped is the slope; alpha at the kink.
  LeakyRelu: pointwise((to, g, x, _y, { node }) => {
    const alpha = floatOf(node, 'alpha', 0.01);
    if (alpha < 0 || alpha > 1) return above(to, x, 0, g, to.op('Mul', [g, to.float(alpha)]));
    const steep = to.op('Mul', [x, to.float(1e30)]);
    return to.op('Mul', [g, to.op('Clip', [steep, to.float(alpha), to.float(1)])]);
  }),
  PRelu: prelu,
  ThresholdedRelu: pointwise((to, g, x, _y, { node }) =>
    masked(to, to.op('Greater', [x, to.float(floatOf(node, 'alpha', 1))]), g),
  ),
  Clip: clip,
  Sigmoid: pointwise((to, g, _x, y) => to.op('Mul', [g, to.op('Sub', [y, to.op('Mul', [y, y])])])),
  // y (1 - y) is positive just where nothing is clipped.
  HardSigmoid: pointwise((to, g, _x, y, { node }) => {
    const inside = signs(to, to.op('Sub', [y, to.op('Mul', [y, y])]));
    return to.op('Mul', [to.op('Mul', [g, inside]), to.float(floatOf(node, 'alpha', 0.2))]);
  }),
  // x / 3 + 1 / 2 between -3 and 3; clipped, that is 1 / 2 too far out on either side.
  HardSwish: pointwise((to, g, x) => {
    const clipped = to.op('Clip', [x, to.float(-3), to.float(3)]);
    const beyond = signs(to, to.op('Sub', [x, clipped]));
    // A division: thirds have to cancel to the last bit beyond -3.
    const thirds = to.op('Div', [clipped, to.float(3)]);
    const slope = to.op('Sub', [thirds, to.op('Mul', [beyond, to.float(0.5)])]);
    return to.op('Mul', [g, to.op('Add', [slope, to.float(0.5)])]);
  }),
  Gelu: gelu,
  Softplus: pointwise((to, g, x) => to.op('Mul', [g, to.op('Sigmoid', [x])])),
  // 1 / (1 + |x|)^2 = (1 - |y|)^2
  Softsign: pointwise((to, g, _x, y) => {
    const rest = to.op('Sub', [to.float(1), to.op('Abs', [y])]);
    return to.op('Mul', [to.op('Mul', [g, rest]), rest]);
  }),
  // y + alpha for x < 0
  Elu: pointwise((to, g, x, y, { node }) => {
    const alpha = floatOf(node, 'alpha', 1);
    if (alpha === 1) return exponentialSlope(to, g, y, 1);
    return above(to, x, 0, g, to.op('Mul', [g, to.op('Add', [y, to.float(alpha)])]));
  }),
  Selu: pointwise((to, g, x, y, { node }) => {
    const alpha = floatOf(node, 'alpha', 1.6732631921768188);
    const gamma = floatOf(node, 'gamma', 1.0507010221481323);
    const low = to.op('Add', [y, to.float(alpha * gamma)]);
    return to.op('Mul', [g, above(to, x, 0, to.float(gamma), low)]);
  }),
  Celu: pointwise((to, g, _x, y, { node }) => exponentialSlope(to, g, y, floatOf(node, 'alpha', 1))),
  // x tanh(softplus x): t + x (1 - t^2) sigmoid x (Misra 2019)
  Mish: pointwise((to, g, x) => {
    const t = to.op('Tanh', [to.op('Softplus', [x])]);
    const bell = to.op('Sub', [to.float(1), to.op('Mul', [t, t])]);
    const rise = to.op('Mul', [to.op('Mul', [x, bell]), to.op('Sigmoid', [x])]);
    return to.op('Mul', [g, to.op('Add', [t, rise])]);
  }),
  'com.microsoft:Gelu': pointwise((to, g, x) => to.op('Mul', [g, geluSlope(to, x)])),
  'com.microsoft:BiasGelu': biasedGelu(geluSlope),
  'com.microsoft:FastGelu': biasedGelu(tanhGeluSlope),
  // x s, s = sigmoid(alpha x): s (1 + alpha (x - y))
  'com.microsoft:QuickGelu': pointwise((to, g, x, y, { node }) => {
    const alpha = to.float(floatOf(node, 'alpha', 1.702));
    const s = to.op('Sigmoid', [to.op('Mul', [x, alpha])]);
    const rest = to.op('Mul', [to.op('Sub', [x, y]), alpha]);
    return to.op('Mul', [to.op('Mul', [g, s]), to.op('Add', [rest, to.float(1)])]);
  }),
} as const satisfies Partial<Record<OpName, GradientRule>>;
