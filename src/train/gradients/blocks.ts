import { intOf, type OpName, stringOf } from '../../graph/index.ts';
import type { GradientRule } from './rule.ts';

/** Back the way it came: [N, C/b^2, H*b, W*b] to [N, C, H, W]. */
const depthToSpace: GradientRule = (site) => {
  const { to, node } = site;
  const g = site.gradient()!;
  const b = intOf(node, 'blocksize', 1);
  if (stringOf(node, 'mode', 'DCR') === 'DCR') return [to.op('SpaceToDepth', [g], { blocksize: b })];
  // Column, row within a depth: depth is outermost, which SpaceToDepth cannot say.
  const [n, c, h, w] = site.shape(0) as [number, number, number, number];
  const split = to.reshape(g, [n, c / (b * b), h, b, w, b]);
  return [to.reshape(to.transpose(split, [0, 1, 3, 5, 2, 4]), [n, c, h, w])];
};

const spaceToDepth: GradientRule = (site) => {
  const blocksize = intOf(site.node, 'blocksize', 1);
  return [site.to.op('DepthToSpace', [site.gradient()!], { blocksize, mode: 'DCR' })];
};

/** Blocks of space as channels, and back. */
export const BLOCKS = { DepthToSpace: depthToSpace, SpaceToDepth: spaceToDepth } as const satisfies Partial<
  Record<OpName, GradientRule>
>;
