import { intOf, intsOf } from '../attributes.ts';
import { sizeOf } from '../dtype.ts';
import type { Dim } from '../model.ts';
import { unknownDims } from './dims.ts';
import { known, type OpSpec, perInput, type ShapeRule, type Site, spec } from './op.ts';
import { slid, windowOf } from './window.ts';

/** [N, C, spatial...] after the window. Exported for the quantized kin; `first` is the axis of the first spatial size. */
export function pooled(site: Site, input = 0, first = 2): readonly Dim[] | undefined {
  const shape = site.shape(input);
  const kernel = intsOf(site.node, 'kernel_shape');
  if (shape === undefined || kernel === undefined) return shape && unknownDims(shape.length);
  const spatial = slid(shape.slice(first, first + kernel.length), windowOf(site.node, kernel));
  return [...shape.slice(0, first), ...spatial, ...shape.slice(first + kernel.length)];
}

/** [N, C, 1...]. */
export function globallyPooled(site: Site, input = 0, channelsLast = false): readonly Dim[] | undefined {
  const shape = site.shape(input);
  const channel = channelsLast && shape !== undefined ? shape.length - 1 : 1;
  return shape?.map((dim, i) => (i === 0 || i === channel ? dim : 1));
}

/** One operation per window element, and `extra` per output. */
export function poolCost(extra: number) {
  return {
    work: `1 per window element${extra > 0 ? `, ${extra} per output` : ''}`,
    rule: ({ node, outputs }: Parameters<OpSpec['cost']>[0]) => ({
      macs: 0,
      other: (outputs[0]?.size ?? 0) * (sizeOf(intsOf(node, 'kernel_shape') ?? [1]) + extra),
    }),
  };
}

const pool: ShapeRule = (site) => {
  const shape = pooled(site);
  return [known(site.dtype(0), shape), known('int64', shape)];
};

const unpool: ShapeRule = (site) => {
  const shape = site.shape(0);
  const target = site.at(2).elements;
  if (target !== undefined) return [known(site.dtype(0), target)];
  if (shape === undefined || site.has(2)) return [known(site.dtype(0), shape && unknownDims(shape.length))];
  const kernel = intsOf(site.node, 'kernel_shape') ?? [];
  const { strides, pads } = windowOf(site.node, kernel);
  const spatial = kernel.map((size, i) => {
    const dim = shape[i + 2];
    return typeof dim === 'number'
      ? (dim - 1) * strides[i]! - pads[i]! - pads[i + kernel.length]! + size
      : null;
  });
  return [known(site.dtype(0), [...shape.slice(0, 2), ...spatial])];
};

const window = (op: string, since: readonly number[], outputs: readonly [number, number], extra: number) =>
  spec({
    op,
    since,
    inputs: [1, 1],
    outputs,
    says: '[N, C, spatial after the window]',
    infer: pool,
    cost: poolCost(extra),
    traits: { sameType: true },
  });

const global = (op: string, since: readonly number[]) =>
  spec({
    op,
    since,
    inputs: [1, 1],
    says: '[N, C, 1...]',
    infer: (site) => [known(site.dtype(0), globallyPooled(site))],
    cost: perInput(1),
    traits: { sameType: true },
  });

const regions =
  (size: (site: Site) => readonly Dim[]): ShapeRule =>
  (site) => [known(site.dtype(0), [site.shape(1)?.[0] ?? null, site.shape(0)?.[1] ?? null, ...size(site)])];

/** Windows and regions reduced to one number. */
export const POOL = {
  AveragePool: window('AveragePool', [1, 7, 10, 11, 19, 22], [1, 1], 1),
  MaxPool: window('MaxPool', [1, 8, 10, 11, 12, 22], [1, 2], 0),
  LpPool: window('LpPool', [1, 2, 11, 18, 22], [1, 1], 1),
  GlobalAveragePool: global('GlobalAveragePool', [1, 22]),
  GlobalMaxPool: global('GlobalMaxPool', [1, 22]),
  GlobalLpPool: global('GlobalLpPool', [1, 2, 22]),
  MaxUnpool: spec({
    op: 'MaxUnpool',
    since: [9, 11, 22],
    inputs: [2, 3],
    says: 'the size before pooling',
    infer: unpool,
    traits: { sameType: true },
  }),
  MaxRoiPool: spec({
    op: 'MaxRoiPool',
    since: [1, 22],
    inputs: [2, 2],
    says: '[rois, C, pooled_shape]',
    infer: regions((site) => intsOf(site.node, 'pooled_shape') ?? [null, null]),
    traits: { sameType: true },
  }),
  RoiAlign: spec({
    op: 'RoiAlign',
    since: [10, 16, 22],
    inputs: [3, 3],
    says: '[rois, C, output_height, output_width]',
    infer: regions((site) => [intOf(site.node, 'output_height', 1), intOf(site.node, 'output_width', 1)]),
    traits: { sameType: true },
  }),
} as const satisfies Record<string, OpSpec>;
