import type { Random } from '../../../src/base/index.ts';
import { between, distinct, type GradientCase, pick, single, values } from './case.ts';

/** Attributes of a random pool over `rank` axes and the sizes it slides over. */
function drawn(random: Random, rank: number, { dilated = true } = {}) {
  const axes = Array.from({ length: rank }, (_, i) => i);
  const kernel = axes.map(() => between(random, 1, 3));
  const strides = axes.map(() => between(random, 1, 3));
  const auto = random.below(3) === 0 ? pick(random, ['SAME_UPPER', 'SAME_LOWER', 'VALID']) : undefined;
  // The runtime's automatic pads know no dilation.
  const dilations = axes.map(() => (dilated && !auto?.startsWith('SAME') ? between(random, 1, 2) : 1));
  // A window must not lie in the padding alone.
  const begins = axes.map((i) => random.below(kernel[i]!));
  const ends = axes.map((i) => random.below(kernel[i]!));
  const sizes = axes.map((i) => (kernel[i]! - 1) * dilations[i]! + 1 + between(random, 0, 4));
  // Until opset 22 ONNX counts a window that starts behind the input, which runtimes leave out: no model can say that.
  const dropped = axes.some((i) => {
    const reach = (kernel[i]! - 1) * dilations[i]! + 1;
    const last = Math.ceil((sizes[i]! + begins[i]! + ends[i]! - reach) / strides[i]!);
    return last * strides[i]! >= sizes[i]! + begins[i]!;
  });
  const attributes = {
    kernel_shape: kernel,
    strides,
    dilations: dilated ? dilations : undefined,
    auto_pad: auto,
    pads: auto === undefined ? [...begins, ...ends] : undefined,
    ceil_mode: auto === undefined && !dropped ? random.below(2) : undefined,
  };
  return { attributes, sizes };
}

/** Windows side by side, with or without a rest that none covers. */
function besides(random: Random, rank: number) {
  const kernel = Array.from({ length: rank }, () => between(random, 1, 3));
  const sizes = kernel.map((size) => size * between(random, 1, 3) + random.below(size));
  return { attributes: { kernel_shape: kernel, strides: kernel }, sizes };
}

const batch = (random: Random, sizes: readonly number[]) => [
  between(random, 1, 2),
  between(random, 1, 2),
  ...sizes,
];

/** Pools. Values for maxima all differ: where two are equal, there is no slope to meet. */
export const POOL_CASES: readonly GradientCase[] = [
  {
    name: 'MaxPool',
    ops: ['MaxPool'],
    make(random) {
      const { attributes, sizes } = drawn(random, between(random, 1, 2));
      return single('MaxPool', [distinct(random, batch(random, sizes))], attributes);
    },
  },
  {
    name: 'MaxPool, side by side',
    ops: ['MaxPool'],
    make(random) {
      const { attributes, sizes } = besides(random, between(random, 1, 3));
      return single('MaxPool', [distinct(random, batch(random, sizes))], attributes);
    },
  },
  {
    name: 'MaxPool with its indices',
    ops: ['MaxPool'],
    make(random) {
      const { attributes, sizes } = drawn(random, 2);
      return single('MaxPool', [distinct(random, batch(random, sizes))], attributes, { outputs: 2 });
    },
  },
  {
    name: 'AveragePool',
    ops: ['AveragePool'],
    make(random) {
      const { attributes, sizes } = drawn(random, between(random, 1, 2));
      const padding = { count_include_pad: random.below(2) };
      return single('AveragePool', [values(random, batch(random, sizes))], { ...attributes, ...padding });
    },
  },
  {
    name: 'AveragePool, three axes',
    ops: ['AveragePool'],
    make(random) {
      const { attributes, sizes } = drawn(random, 3, { dilated: false });
      return single('AveragePool', [values(random, batch(random, sizes))], attributes);
    },
  },
  {
    name: 'AveragePool, side by side',
    ops: ['AveragePool'],
    make(random) {
      const { attributes, sizes } = besides(random, between(random, 1, 3));
      return single('AveragePool', [values(random, batch(random, sizes))], attributes);
    },
  },
  {
    name: 'GlobalAveragePool',
    ops: ['GlobalAveragePool'],
    make: (random) =>
      single('GlobalAveragePool', [values(random, [2, 2, ...drawn(random, between(random, 1, 3)).sizes])]),
  },
  {
    name: 'GlobalMaxPool',
    ops: ['GlobalMaxPool'],
    make: (random) =>
      single('GlobalMaxPool', [distinct(random, [2, 2, ...drawn(random, between(random, 1, 2)).sizes])]),
  },
];
