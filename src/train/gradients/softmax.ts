import { intOf, type OpName } from '../../graph/index.ts';
import type { GradientRule, GradientSite } from './rule.ts';

const axisOf = (site: GradientSite) => {
  const axis = intOf(site.node, 'axis', -1);
  return axis < 0 ? axis + site.shape(0).length : axis;
};

/** Softmax and its logarithm. */
export const SOFTMAX = {
  // y (g - sum(g y))
  Softmax: (site) => {
    const { to } = site;
    const [g, y] = [site.gradient()!, site.output()];
    const mean = to.sum(to.op('Mul', [g, y]), [axisOf(site)], true);
    return [to.op('Mul', [y, to.op('Sub', [g, mean])])];
  },
  // g - exp(y) sum(g)
  LogSoftmax: (site) => {
    const { to } = site;
    const g = site.gradient()!;
    const total = to.sum(g, [axisOf(site)], true);
    return [to.op('Sub', [g, to.op('Mul', [to.op('Exp', [site.output()]), total])])];
  },
} as const satisfies Partial<Record<OpName, GradientRule>>;
