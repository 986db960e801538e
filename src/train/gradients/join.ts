import { intOf, type OpName } from '../../graph/index.ts';
import type { GradientRule } from './rule.ts';
import { frontAxis, zeros } from './site.ts';

/** Cutting apart and joining. */
export const JOIN = {
  Concat: (site) => {
    const { to, node } = site;
    const g = site.gradient()!;
    const axis = frontAxis(intOf(node, 'axis', 0), to.shape(g).length);
    const sizes = node.inputs.map((_, i) => site.shape(i)[axis]!);
    const wanted = node.inputs.filter((_, i) => site.wants(i));
    if (wanted.length > 1 || node.inputs.length === 1) {
      return to.ops('Split', [g, to.ints(sizes)], sizes.length, { axis });
    }
    let start = 0;
    return sizes.map((size, i) => {
      start += size;
      if (!site.wants(i)) return undefined;
      return to.op('Slice', [g, to.ints([start - size]), to.ints([start]), to.ints([axis])]);
    });
  },
  // Parts that nothing depends on count as zeros.
  Split: (site) => {
    const { to, node } = site;
    const axis = frontAxis(intOf(node, 'axis', 0), site.shape(0).length);
    const parts = node.outputs.map((name, i) => site.gradient(i) ?? zeros(to, to.shape(name)));
    return [parts.length === 1 ? parts[0] : to.op('Concat', parts, { axis })];
  },
} as const satisfies Partial<Record<OpName, GradientRule>>;
