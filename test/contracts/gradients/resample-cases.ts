import type { Random } from '../../../src/base/index.ts';
import { Tensor } from '../../../src/graph/index.ts';
import { between, fixed, type GradientCase, pick, shape, single, values } from './case.ts';

const COORDINATES = [
  'half_pixel',
  'pytorch_half_pixel',
  'half_pixel_symmetric',
  'asymmetric',
  'align_corners',
];
const ROUNDINGS = ['round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil'];

function resizing(name: string, mode: string, rank: number, exact: boolean): GradientCase {
  return {
    name,
    ops: ['Resize'],
    make(random) {
      const dims = [between(random, 1, 2), between(random, 1, 2), ...shape(random, rank - 2, 5)];
      const scale = () => (exact ? between(random, 1, 3) : pick(random, [0.6, 1, 1.3, 2, 2.5]));
      // Scales are float32, and coordinates follow them: sizes that they do not hit exactly are told apart.
      const scales = [1, 1, ...dims.slice(2).map((size) => Math.max(scale(), 1 / size))];
      const sizes = dims.map((size, i) => Math.max(1, Math.floor(size * scales[i]!)));
      const bySize = random.below(2) === 0;
      const inputs = bySize
        ? [values(random, dims), undefined, undefined, Tensor.int64([rank], sizes)]
        : [values(random, dims), undefined, fixed(Tensor.float32([rank], scales))];
      return single('Resize', inputs, {
        mode,
        coordinate_transformation_mode: exact ? 'asymmetric' : pick(random, COORDINATES),
        nearest_mode: mode !== 'nearest' ? undefined : exact ? 'floor' : pick(random, ROUNDINGS),
      });
    },
  };
}

/** Pads of every axis, or of some. */
function padding(random: Random, mode: string, dims: readonly number[]) {
  const some = random.below(2) === 0;
  const axes = dims.map((_, i) => i).filter(() => !some || random.below(2) === 0);
  const most = (axis: number) => (mode === 'reflect' ? dims[axis]! - 1 : dims[axis]!);
  const one = (axis: number) =>
    mode === 'constant' && dims[axis]! > 2 && random.below(4) === 0 ? -1 : random.below(most(axis) + 1);
  const pads = [...axes.map(one), ...axes.map(one)];
  return {
    pads: Tensor.int64([pads.length], pads),
    axes: axes.length < dims.length ? Tensor.int64([axes.length], axes) : undefined,
  };
}

const padded = (mode: string): GradientCase => ({
  name: `Pad, ${mode}`,
  ops: ['Pad'],
  make(random) {
    const dims = shape(random, [1, 4]);
    const { pads, axes } = padding(random, mode, dims);
    const fill = mode === 'constant' && random.below(2) === 0 ? values(random, []) : undefined;
    const given = [values(random, dims), pads, fill, axes];
    return single('Pad', given, { mode: mode === 'constant' ? undefined : mode });
  },
});

/** Sampling at other places, borders, and blocks. */
export const RESAMPLE_CASES: readonly GradientCase[] = [
  resizing('Resize, nearest', 'nearest', 4, false),
  resizing('Resize, nearest, one axis', 'nearest', 3, false),
  resizing('Resize, copies', 'nearest', 4, true),
  resizing('Resize, linear', 'linear', 4, false),
  resizing('Resize, cubic', 'cubic', 4, false),
  {
    name: 'Resize, some axes in proportion',
    ops: ['Resize'],
    make(random) {
      const dims = [2, 2, between(random, 2, 4), between(random, 2, 4)];
      const sizes = Tensor.int64([2], [between(random, 2, 6), between(random, 2, 6)]);
      return single('Resize', [values(random, dims), undefined, undefined, sizes], {
        mode: pick(random, ['nearest', 'linear']),
        axes: [2, 3],
        keep_aspect_ratio_policy: pick(random, ['not_larger', 'not_smaller']),
      });
    },
  },
  ...['constant', 'reflect', 'edge', 'wrap'].map(padded),
  {
    name: 'DepthToSpace',
    ops: ['DepthToSpace'],
    make(random) {
      const b = between(random, 1, 3);
      const dims = [between(random, 1, 2), b * b * between(random, 1, 2), ...shape(random, 2, 3)];
      const mode = pick(random, [undefined, 'DCR', 'CRD']);
      return single('DepthToSpace', [values(random, dims)], { blocksize: b, mode });
    },
  },
  {
    name: 'SpaceToDepth',
    ops: ['SpaceToDepth'],
    make(random) {
      const b = between(random, 1, 3);
      const dims = [between(random, 1, 2), between(random, 1, 2), b * between(random, 1, 2), b];
      return single('SpaceToDepth', [values(random, dims)], { blocksize: b });
    },
  },
];
