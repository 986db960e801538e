import { intOf, type OpName } from '../../graph/index.ts';
import type { GradientRule, GradientSite } from './rule.ts';

/** The axes of a reduction and the shape that its output has with every reduced axis kept as 1. */
function reduction(site: GradientSite): {
  readonly axes: readonly number[];
  readonly kept: readonly number[];
} {
  const dims = site.shape(0);
  const given = site.input(1) === '' ? undefined : site.to.elements(site.input(1));
  const none = given === undefined || given.length === 0;
  const noop = none && intOf(site.node, 'noop_with_empty_axes', 0) === 1;
  const all = dims.map((_, i) => i);
  const axes = noop ? [] : none ? all : given.map((axis) => (axis < 0 ? axis + dims.length : axis));
  return { axes, kept: dims.map((size, i) => (axes.includes(i) ? 1 : size)) };
}

/** Sums and the like over axes. */
export const REDUCE = {
  ReduceSum: (site) => {
    const { kept } = reduction(site);
    return [site.to.expand(site.to.reshape(site.gradient()!, kept), site.shape(0))];
  },
} as const satisfies Partial<Record<OpName, GradientRule>>;
