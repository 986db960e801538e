import { intOf, type OpName, Tensor } from '../../graph/index.ts';
import type { GradientRule } from './rule.ts';
import { frontAxis, masked, operand } from './site.ts';

/** Choices between values. The choice itself is flat. */
export const SELECT = {
  Where: (site) => {
    const { to } = site;
    const [condition, g] = [site.input(0), site.gradient()!];
    return [
      undefined,
      operand(site, 1, () => masked(to, condition, g)),
      operand(site, 2, () => masked(to, to.op('Not', [condition]), g)),
    ];
  },
  // To the pair [off, on]: what is on, and all the rest.
  OneHot: (site) => {
    const { to } = site;
    const g = site.gradient()!;
    const dims = to.shape(g);
    const axis = frontAxis(intOf(site.node, 'axis', -1), dims.length);
    const bits = to.op(
      'OneHot',
      [site.input(0), to.ints([dims[axis]!]), to.constant(Tensor.float32([2], [0, 1]))],
      { axis },
    );
    const all = dims.map((_, i) => i);
    const on = to.reshape(to.sum(to.op('Mul', [g, bits]), all), [1]);
    const off = to.op('Sub', [to.reshape(to.sum(g, all), [1]), on]);
    return [undefined, undefined, to.op('Concat', [off, on], { axis: 0 })];
  },
} as const satisfies Partial<Record<OpName, GradientRule>>;
