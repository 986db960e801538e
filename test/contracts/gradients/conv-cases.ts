import type { Random } from '../../../src/base/index.ts';
import { between, type Forward, type GradientCase, pick, single, values } from './case.ts';

/** What stays fixed in a family of convolutions; the rest is drawn. */
interface Fixed {
  readonly rank?: number;
  readonly group?: number;
  /** Input and output channels of one group. */
  readonly inner?: number;
  readonly outer?: number;
  readonly kernel?: number;
  readonly stride?: number;
  readonly auto?: readonly string[];
  readonly batch?: number;
  /** Least size of the last axis. */
  readonly width?: number;
}

/** Sizes and attributes of a random window over `rank` axes, large enough for at least one place. */
function drawn(random: Random, fixed: Fixed) {
  const rank = fixed.rank ?? between(random, 1, 2);
  const axes = Array.from({ length: rank }, (_, i) => i);
  const kernel = axes.map(() => fixed.kernel ?? between(random, 1, 3));
  const strides = axes.map(() => fixed.stride ?? between(random, 1, 3));
  const auto = fixed.auto === undefined ? undefined : pick(random, fixed.auto);
  // The runtime has no dilated kernels with automatic pads.
  const dilations = axes.map(() => (auto?.startsWith('SAME') ? 1 : between(random, 1, 2)));
  const begins = axes.map((i) => random.below(kernel[i]! + 1));
  const ends = axes.map((i) => random.below(kernel[i]! + 1));
  const pads = auto === undefined ? [...begins, ...ends] : undefined;
  const sizes = axes.map((i) => {
    const reach = (kernel[i]! - 1) * dilations[i]! + 1;
    const free = between(random, 0, 4);
    const least = Math.max(1, reach - (pads === undefined ? 0 : begins[i]! + ends[i]!));
    return Math.max(least + free, i === rank - 1 ? (fixed.width ?? 1) : 1);
  });
  return { rank, kernel, strides, dilations, auto, pads, sizes };
}

function conv(random: Random, fixed: Fixed): Forward {
  const { kernel, strides, dilations, auto, pads, sizes } = drawn(random, fixed);
  const group = fixed.group ?? between(random, 1, 2);
  const inner = fixed.inner ?? between(random, 1, 2);
  const m = group * (fixed.outer ?? between(random, 1, 3));
  const x = values(random, [fixed.batch ?? between(random, 1, 2), group * inner, ...sizes]);
  const w = values(random, [m, inner, ...kernel]);
  const bias = random.below(2) === 0 ? undefined : values(random, [m]);
  const attributes = { group, strides, dilations, pads, auto_pad: auto };
  return single('Conv', bias === undefined ? [x, w] : [x, w, bias], {
    ...attributes,
    kernel_shape: pick(random, [undefined, kernel]),
  });
}

function transposed(random: Random, fixed: Fixed & { readonly shaped?: boolean }): Forward {
  const rank = fixed.rank ?? between(random, 1, 2);
  const axes = Array.from({ length: rank }, (_, i) => i);
  const kernel = axes.map(() => fixed.kernel ?? between(random, 1, 3));
  const strides = axes.map(() => fixed.stride ?? between(random, 1, 3));
  const dilations = axes.map(() => between(random, 1, 2));
  const sizes = axes.map(() => between(random, 1, 3));
  const padding = axes.map((i) => random.below(strides[i]!));
  const spans = axes.map((i) => (sizes[i]! - 1) * strides[i]! + (kernel[i]! - 1) * dilations[i]! + 1);
  const least = spans.map((span, i) => span + padding[i]!);
  // Pads cut at most as much as leaves one element.
  const begins = axes.map((i) => Math.min(random.below(2), least[i]! - 1));
  const ends = axes.map((i) => Math.min(random.below(2), least[i]! - 1 - begins[i]!));
  const group = fixed.group ?? between(random, 1, 2);
  const c = group * (fixed.inner ?? between(random, 1, 2));
  const outer = fixed.outer ?? between(random, 1, 2);
  const x = values(random, [between(random, 1, 2), c, ...sizes]);
  const w = values(random, [c, outer, ...kernel]);
  const bias = random.below(2) === 0 ? [] : [values(random, [group * outer])];
  const auto = fixed.auto === undefined ? undefined : pick(random, fixed.auto);
  const open = fixed.shaped === true || auto !== undefined;
  return single('ConvTranspose', [x, w, ...bias], {
    group,
    strides,
    dilations,
    output_padding: open ? undefined : padding,
    pads: open ? undefined : [...begins, ...ends],
    auto_pad: auto,
    output_shape: fixed.shaped
      ? spans.map((span, i) => span - Math.min(span - sizes[i]!, random.below(3)))
      : undefined,
  });
}

const convCase = (name: string, fixed: Fixed): GradientCase => ({
  name: `Conv, ${name}`,
  ops: ['Conv'],
  make: (random) => conv(random, fixed),
});

/** Convolutions; every form that the rules choose between has sizes of its own. */
export const CONV_CASES: readonly GradientCase[] = [
  convCase('any', {}),
  convCase('one axis', { rank: 1, group: 1 }),
  convCase('stride 1', { rank: 2, stride: 1 }),
  convCase('three axes', { rank: 3, kernel: 2, inner: 1 }),
  convCase('five input channels', { rank: 2, group: 1, inner: 5 }),
  convCase('many input channels', { rank: 2, group: 1, inner: 16, outer: 2, kernel: 2 }),
  convCase('pointwise, more weights than numbers', { rank: 1, kernel: 1, group: 1, inner: 9, outer: 9 }),
  convCase('pointwise', { rank: 2, kernel: 1, stride: 1, inner: 3 }),
  convCase('groups', { rank: 2, group: 3, inner: 2 }),
  convCase('groups of many', { rank: 1, group: 2, inner: 5, outer: 2 }),
  convCase('depthwise, narrow', { rank: 2, group: 3, inner: 1, outer: 1 }),
  convCase('depthwise, narrow, stride 1', { rank: 2, group: 3, inner: 1, outer: 1, stride: 1 }),
  convCase('depthwise, wide', { rank: 2, group: 2, inner: 1, outer: 1, width: 30, kernel: 2 }),
  convCase('depthwise, wide, stride 1', { rank: 2, group: 2, inner: 1, outer: 1, width: 14, stride: 1 }),
  convCase('depthwise, two maps each', { rank: 2, group: 2, inner: 1, outer: 2 }),
  convCase('depthwise, blocks of channels', { rank: 2, group: 16, inner: 1, outer: 1, batch: 2 }),
  convCase('auto_pad', { auto: ['SAME_UPPER', 'SAME_LOWER', 'VALID'], stride: 1, rank: 2 }),
  convCase('auto_pad, strides', { auto: ['SAME_UPPER', 'SAME_LOWER', 'VALID'], kernel: 3 }),
  {
    name: 'ConvTranspose',
    ops: ['ConvTranspose'],
    make: (random) => transposed(random, {}),
  },
  {
    name: 'ConvTranspose, depthwise',
    ops: ['ConvTranspose'],
    make: (random) => transposed(random, { group: 3, inner: 1, outer: 1, rank: 2 }),
  },
  {
    name: 'ConvTranspose, output_shape',
    ops: ['ConvTranspose'],
    make: (random) => transposed(random, { shaped: true }),
  },
  {
    name: 'ConvTranspose, auto_pad',
    ops: ['ConvTranspose'],
    make: (random) => transposed(random, { auto: ['SAME_UPPER', 'SAME_LOWER'], kernel: 3 }),
  },
];
