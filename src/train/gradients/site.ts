import { fail } from '../../base/index.ts';
import { labelOf } from '../../graph/index.ts';
import type { Composer } from '../composer.ts';
import type { GradientRule, GradientSite } from './rule.ts';

/*
 * What rules of several families say in the same words.
 */

/** The gradient of a broadcast operand: what `make` gives (of the output's shape), summed back to the operand. */
export function operand(site: GradientSite, i: number, make: () => string): string | undefined {
  return site.wants(i) ? site.to.unbroadcast(make(), site.shape(i)) : undefined;
}

/** The rule of a function of one variable: `make` gives g * f'(x), from g, x and the node's own output y = f(x). */
export function pointwise(
  make: (to: Composer, g: string, x: string, y: string, site: GradientSite) => string,
): GradientRule {
  return (site) => [make(site.to, site.gradient()!, site.input(0), site.output(), site)];
}

/** Zeros; the runtime folds them to a constant when it loads the graph. */
export function zeros(to: Composer, dims: readonly number[]): string {
  return to.expand(to.float(0), dims);
}

/** `value` where the condition holds, 0 elsewhere. A product with zeros and ones takes half the time of a Where. */
export function masked(to: Composer, condition: string, value: string): string {
  return to.op('Mul', [value, to.op('Cast', [condition], { to: 1 })]);
}

/** The kernel of Sign is slow: -1, 0 and 1 by scaling up and clipping. Exact for numbers of at least 1e-30. */
export function signs(to: Composer, x: string): string {
  return to.op('Clip', [to.op('Mul', [x, to.float(1e30)]), to.float(-1), to.float(1)]);
}

/** An axis counted from the front. */
export function frontAxis(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

/** A form of an operator that has a row, but no gradient in this form. Throws TRAIN_NO_GRADIENT. */
export function refuse(site: GradientSite, why: string): never {
  throw fail('TRAIN_NO_GRADIENT', `${site.node.op} ${why} (${labelOf(site.node)})`);
}
