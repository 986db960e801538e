import { fail } from '../../base/index.ts';
import { floatsOf, intsOf, stringOf } from '../attributes.ts';
import type { Dim } from '../model.ts';
import { axisIn, mapDim, unknownDims } from './dims.ts';
import { type Element, known, type OpSpec, perOutput, type ShapeRule, type Site, spec } from './op.ts';

function scaled(dim: Dim, scale: Element): Dim {
  if (scale === 1) return dim;
  // Scales come as float32: 0.1 * 10 must be 1, not 0.999.
  return typeof scale === 'number'
    ? mapDim(dim, (size) => Math.floor(Math.fround(size * Math.fround(scale))))
    : null;
}

/** keep_aspect_ratio_policy: sizes are bounds, and all axes take the same scale (rounded half up). */
function fitted(dims: readonly Dim[], sizes: readonly Element[], policy: string): readonly Dim[] {
  if (policy === 'stretch') return sizes;
  const ratios = sizes.map((size, i) => Number(size) / Number(dims[i]));
  if (ratios.some(Number.isNaN)) return unknownDims(sizes.length);
  const scale = policy === 'not_larger' ? Math.min(...ratios) : Math.max(...ratios);
  return dims.map((dim) => mapDim(dim, (size) => Math.floor(size * scale + 0.5)));
}

function resizedBy(
  site: Site,
  scales: readonly Element[] | undefined,
  sizes: readonly Element[] | undefined,
) {
  const shape = site.shape(0);
  const dtype = site.dtype(0);
  if (shape === undefined) return known(dtype, undefined);
  const axes = intsOf(site.node, 'axes')?.map((axis) => axisIn(axis, shape.length)) ?? shape.map((_, i) => i);
  const given = sizes ?? scales;
  if (given === undefined)
    return known(
      dtype,
      shape.map((dim, i) => (axes.includes(i) ? null : dim)),
    );
  if (given.length !== axes.length) {
    throw fail('SHAPE_MISMATCH', `${given.length} scales or sizes for ${axes.length} axes`);
  }
  const old = axes.map((axis) => shape[axis]!);
  const policy = stringOf(site.node, 'keep_aspect_ratio_policy', 'stretch');
  const changed =
    sizes === undefined ? old.map((dim, i) => scaled(dim, given[i]!)) : fitted(old, sizes, policy);
  const dims = [...shape];
  for (const [i, axis] of axes.entries()) dims[axis] = changed[i]!;
  return known(dtype, dims);
}

/** An empty list is as good as none: exporters give one where the other is meant. */
const given = (site: Site, i: number) =>
  site.at(i).elements?.length === 0 ? undefined : site.at(i).elements;

const resize: ShapeRule = (site) => {
  if (site.opset < 11) return [resizedBy(site, site.at(1).elements, undefined)];
  // Scales that are there but not known are not "none".
  return [resizedBy(site, given(site, 2), site.has(3) ? given(site, 3) : undefined)];
};

const upsample: ShapeRule = (site) => [
  resizedBy(site, site.opset < 9 ? floatsOf(site.node, 'scales') : site.at(1).elements, undefined),
];

/** Sampling of images at other places. */
export const RESIZE = {
  Resize: spec({
    op: 'Resize',
    since: [10, 11, 13, 18, 19],
    inputs: [1, 4],
    says: 'floor(size * scale), or the sizes',
    infer: resize,
    cost: perOutput(8),
    traits: { sameType: true },
  }),
  Upsample: spec({
    op: 'Upsample',
    since: [7, 9, 10],
    inputs: [1, 2],
    says: 'floor(size * scale)',
    infer: upsample,
    cost: perOutput(8),
    traits: { sameType: true },
  }),
  GridSample: spec({
    op: 'GridSample',
    since: [16, 20, 22],
    inputs: [2, 2],
    says: '[N, C, the grid]',
    infer: (site) => {
      const [x, grid] = [site.shape(0), site.shape(1)];
      if (x === undefined && grid === undefined) return [known(site.dtype(0), undefined)];
      const places = grid?.slice(1, -1) ?? unknownDims(x!.length - 2);
      return [known(site.dtype(0), [x?.[0] ?? grid?.[0] ?? null, x?.[1] ?? null, ...places])];
    },
    cost: perOutput(8),
    traits: { sameType: true },
  }),
  AffineGrid: spec({
    op: 'AffineGrid',
    since: [20],
    inputs: [2, 2],
    says: '[N, spatial, 2 or 3]',
    infer: (site) => {
      const size = site.at(1).elements;
      return [known(site.dtype(0), size && [size[0]!, ...size.slice(2), size.length - 2])];
    },
    cost: perOutput(6),
    traits: { sameType: true },
  }),
} as const satisfies Record<string, OpSpec>;
