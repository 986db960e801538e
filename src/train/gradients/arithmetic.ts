import type { OpName } from '../../graph/index.ts';
import type { GradientRule, GradientSite } from './rule.ts';

/** The gradient of a broadcast operand: what `make` gives (of the output's shape), summed back to the operand. */
function operand(site: GradientSite, i: number, make: () => string): string | undefined {
  return site.wants(i) ? site.to.unbroadcast(make(), site.shape(i)) : undefined;
}

/** With broadcasting, as numpy does it. */
export const ARITHMETIC = {
  Add: (site) => {
    const g = site.gradient()!;
    return [operand(site, 0, () => g), operand(site, 1, () => g)];
  },
  Sub: (site) => {
    const g = site.gradient()!;
    return [operand(site, 0, () => g), operand(site, 1, () => site.to.op('Neg', [g]))];
  },
  Mul: (site) => {
    const g = site.gradient()!;
    return [
      operand(site, 0, () => site.to.op('Mul', [g, site.input(1)])),
      operand(site, 1, () => site.to.op('Mul', [g, site.input(0)])),
    ];
  },
} as const satisfies Partial<Record<OpName, GradientRule>>;
