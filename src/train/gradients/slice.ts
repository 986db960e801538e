import type { OpName } from '../../graph/index.ts';
import type { Composer } from '../composer.ts';
import type { GradientRule, GradientSite } from './rule.ts';
import { frontAxis, refuse } from './site.ts';

/** Along one axis: the first element taken in ascending order, the step (> 0), and whether they came in descending order. */
interface Cut {
  readonly first: number;
  readonly step: number;
  readonly reversed: boolean;
}

function cuts(site: GradientSite): Map<number, Cut> {
  const { to } = site;
  const dims = site.shape(0);
  const list = (i: number) =>
    site.input(i) === ''
      ? undefined
      : (to.elements(site.input(i)) ?? refuse(site, 'whose bounds are computed'));
  const starts = list(1)!;
  const axes = list(3) ?? starts.map((_, i) => i);
  const steps = list(4) ?? starts.map(() => 1);
  const taken = to.shape(site.output());
  return new Map(
    starts.map((given, i) => {
      const axis = frontAxis(axes[i]!, dims.length);
      const [size, step] = [dims[axis]!, steps[i]!];
      const front = given < 0 ? given + size : given;
      const start = Math.min(Math.max(front, 0), step < 0 ? size - 1 : size);
      const last = start + step * Math.max(0, taken[axis]! - 1);
      return [axis, { first: Math.min(start, last), step: Math.abs(step), reversed: step < 0 }];
    }),
  );
}

/** Puts `step - 1` zeros after each element along an axis. */
function spread(to: Composer, value: string, axis: number, step: number): string {
  const dims = to.shape(value);
  const single = to.reshape(value, [...dims.slice(0, axis + 1), 1, ...dims.slice(axis + 1)]);
  const pads = Array.from({ length: 2 * (dims.length + 1) }, () => 0);
  pads[dims.length + 1 + axis + 1] = step - 1;
  const wide = to.op('Pad', [single, to.ints(pads)]);
  return to.reshape(
    wide,
    dims.map((size, i) => (i === axis ? size * step : size)),
  );
}

/**
 * Every element back to its place, zeros around it: turned round where the step was negative, spread where it was not 1,
 * then padded (or, after spreading, cropped) on all axes at once.
 */
const slice: GradientRule = (site) => {
  const { to } = site;
  const dims = site.shape(0);
  const found = cuts(site);
  let g = site.gradient()!;
  const turned = [...found].flatMap(([axis, { reversed }]) => (reversed ? [axis] : []));
  if (turned.length > 0) {
    const all = (value: number) => to.ints(turned.map(() => value));
    const end = -(2 ** 31);
    g = to.op('Slice', [g, all(-1), all(end), to.ints(turned), all(-1)]);
  }
  for (const [axis, { step }] of found) if (step > 1) g = spread(to, g, axis, step);
  const before = dims.map((_, axis) => found.get(axis)?.first ?? 0);
  const after = dims.map((size, axis) => size - before[axis]! - to.shape(g)[axis]!);
  const pads = [...before, ...after];
  return [pads.every((pad) => pad === 0) ? g : to.op('Pad', [g, to.ints(pads)])];
};

/** Parts by bounds and steps. */
export const SLICE = { Slice: slice } as const satisfies Partial<Record<OpName, GradientRule>>;
