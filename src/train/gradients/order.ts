import { intOf, type OpName } from '../../graph/index.ts';
import type { GradientRule } from './rule.ts';
import { frontAxis, zeros } from './site.ts';

/** Running sums and the largest. */
export const ORDER = {
  // What each element went into, summed from the other end.
  CumSum: (site) => {
    const reverse = 1 - intOf(site.node, 'reverse', 0);
    const exclusive = intOf(site.node, 'exclusive', 0);
    return [site.to.op('CumSum', [site.gradient()!, site.input(1)], { reverse, exclusive })];
  },
  TopK: (site) => {
    const { to, node } = site;
    const g = site.gradient(0);
    if (g === undefined) return [];
    const dims = site.shape(0);
    const axis = frontAxis(intOf(node, 'axis', -1), dims.length);
    return [to.op('ScatterElements', [zeros(to, dims), site.output(1), g], { axis })];
  },
} as const satisfies Partial<Record<OpName, GradientRule>>;
