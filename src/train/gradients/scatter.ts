import { intOf, type OpName, stringOf } from '../../graph/index.ts';
import type { GradientRule, GradientSite } from './rule.ts';
import { refuse, zeros } from './site.ts';

/**
 * Updates that replace take the gradient of their places away from the data; updates that are added leave it. Where two
 * updates replace the same place, ONNX does not say which stays; then neither does this.
 */
function scatter(
  site: GradientSite,
  gatherer: string,
  given: Readonly<Record<string, number>>,
): (string | undefined)[] {
  const { to, node } = site;
  const reduction = stringOf(node, 'reduction', 'none');
  if (reduction !== 'none' && reduction !== 'add') refuse(site, `with reduction "${reduction}"`);
  const [g, indices] = [site.gradient()!, site.input(1)];
  const data = () =>
    reduction === 'add' ? g : to.op(node.op, [g, indices, zeros(to, site.shape(2))], given);
  return [
    site.wants(0) ? data() : undefined,
    undefined,
    site.wants(2) ? to.op(gatherer, [g, indices], given) : undefined,
  ];
}

/** Writing to places. */
export const SCATTER = {
  ScatterElements: (site) => scatter(site, 'GatherElements', { axis: intOf(site.node, 'axis', 0) }),
  ScatterND: (site) => scatter(site, 'GatherND', {}),
} as const satisfies Partial<Record<OpName, GradientRule>>;
