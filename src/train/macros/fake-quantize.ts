import { floatOf } from '../../graph/index.ts';
import type { Composer } from '../composer.ts';
import type { GradientSite } from '../gradients/rule.ts';
import type { Macro } from './macro.ts';

/** TensorProto.FLOAT. */
const FLOAT = 1;

/** 1 where x lies between the ends, 0 elsewhere; what lies on an end is inside. */
function inside(site: GradientSite): string {
  const { to } = site;
  const [x, scale, low, high] = [site.input(0), site.input(1), site.input(2), site.input(3)];
  const single = site.shape(1).every((size) => size === 1);
  // One scale for all: the ends in numbers of x spare a division of all of them.
  const value = single ? x : to.op('Div', [x, scale]);
  const end = (bound: string) => (single ? to.op('Mul', [bound, to.reshape(scale, [])]) : bound);
  const kept = to.op('Clip', [value, end(low), end(high)]);
  return to.op('Cast', [to.op('Equal', [kept, value])], { to: FLOAT });
}

/** The sum of a * b, in the shape of what was broadcast. */
function productSum(to: Composer, a: string, b: string, dims: readonly number[]): string {
  const count = to.shape(a).reduce((all, size) => all * size, 1);
  if (dims.some((size) => size !== 1)) return to.unbroadcast(to.op('Mul', [a, b]), dims);
  // For one number, a scalar product spares a large tensor of products.
  return to.reshape(to.op('MatMul', [to.reshape(a, [1, count]), to.reshape(b, [count, 1])]), dims);
}

/**
 * Rounding to quantized numbers and back, in float: y = clip(round(x / scale), low, high) * scale, halves to even. Inputs x,
 * scale (> 0, broadcast to x), low and high: scalars, the ends of the integer type less the zero point, which need not
 * appear otherwise, since it is whole. Attribute factor (1): what the scale's gradient is multiplied by; learned step sizes take
 * 1 / sqrt(n * qmax), n numbers sharing the scale, which matters where steps are not evened out as Adam does.
 */
export const fakeQuantize: Macro = {
  infer: (node, to) => [{ dtype: 'float32', shape: to.shape(node.inputs[0]!) }],
  // Straight through (Bengio et al. 2013): rounding counts as the identity between the ends and as a constant outside. The scale's
  // follows (learned step size, Esser et al. 2020, equation 3): round(x / scale) - x / scale inside, the end outside,
  // which is (y - x) / scale inside and y / scale outside.
  gradient(site) {
    const { to, node } = site;
    const g = site.gradient()!;
    const mask = inside(site);
    const through = site.wants(0) ? to.op('Mul', [g, mask]) : undefined;
    if (!site.wants(1)) return [through];
    const off = to.op('Sub', [site.output(), to.op('Mul', [site.input(0), mask])]);
    const sum = to.op('Div', [productSum(to, g, off, site.shape(1)), site.input(1)]);
    const factor = floatOf(node, 'factor', 1);
    return [through, factor === 1 ? sum : to.op('Mul', [sum, to.float(factor)])];
  },
  lower(node, to) {
    const [x = '', scale = '', low = '', high = ''] = node.inputs;
    const whole = to.op('Round', [to.op('Div', [x, scale])]);
    return [to.op('Mul', [to.op('Clip', [whole, low, high]), scale])];
  },
};
