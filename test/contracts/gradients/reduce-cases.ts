import type { Random } from '../../../src/base/index.ts';
import { Tensor } from '../../../src/graph/index.ts';
import { type Draw, distinct, type GradientCase, pick, shape, single, values } from './case.ts';

/** Axes as they may be given: absent, empty, some, negative ones among them. */
function axesOf(random: Random, rank: number): Tensor | undefined {
  const kind = random.below(4);
  if (kind === 0) return undefined;
  if (kind === 1) return Tensor.int64([0], []);
  const all = random.shuffle(Array.from({ length: rank }, (_, i) => i));
  const some = all
    .slice(0, 1 + random.below(rank))
    .map((axis) => (random.uniform() < 0.5 ? axis : axis - rank));
  return Tensor.int64([some.length], some);
}

const reducing = (op: string, draw: Draw | 'distinct' = {}): GradientCase => ({
  name: op,
  ops: [op],
  make(random) {
    const dims = shape(random, [1, 3]);
    const x = draw === 'distinct' ? distinct(random, dims) : values(random, dims, draw);
    const attributes = { keepdims: random.below(2), noop_with_empty_axes: pick(random, [undefined, 0, 1]) };
    return single(op, [x, axesOf(random, dims.length)], attributes);
  },
});

const normalizing = (op: string): GradientCase => ({
  name: op,
  ops: [op],
  make(random) {
    const dims = shape(random, [1, 3]);
    // At least two to share: of one alone nothing changes.
    const axis = random.below(dims.length);
    dims[axis] = 2 + random.below(3);
    return single(op, [values(random, dims)], {
      axis: axis === dims.length - 1 ? undefined : axis - (random.uniform() < 0.5 ? dims.length : 0),
    });
  },
});

/** Sums and the like over axes. */
export const REDUCE_CASES: readonly GradientCase[] = [
  reducing('ReduceSum'),
  reducing('ReduceMean'),
  reducing('ReduceMax', 'distinct'),
  reducing('ReduceMin', 'distinct'),
  reducing('ReduceProd', { awayFrom: [0], distance: 0.3 }),
  reducing('ReduceL1', { awayFrom: [0] }),
  reducing('ReduceL2', { awayFrom: [0], distance: 0.2 }),
  reducing('ReduceLogSum', { between: [0.3, 2] }),
  reducing('ReduceLogSumExp'),
  reducing('ReduceSumSquare'),
  {
    name: 'ReduceProd with zeros',
    ops: ['ReduceProd'],
    make(random) {
      const numbers = values(random, [4, 3]).numbers();
      // A row with one zero, one with two.
      for (const place of [1, 3, 5]) numbers[place] = 0;
      return single('ReduceProd', [Tensor.float32([4, 3], numbers), Tensor.int64([1], [1])]);
    },
  },
  normalizing('Softmax'),
  normalizing('LogSoftmax'),
  {
    name: 'CumSum',
    ops: ['CumSum'],
    make(random) {
      const dims = shape(random, [1, 3]);
      const axis = random.below(dims.length) - (random.uniform() < 0.5 ? dims.length : 0);
      const attributes = { exclusive: random.below(2), reverse: random.below(2) };
      // Exclusive sums of one element are constants.
      dims.splice(axis, 1, 2 + random.below(3));
      return single('CumSum', [values(random, dims), Tensor.int64([], [axis])], attributes);
    },
  },
  {
    name: 'TopK',
    ops: ['TopK'],
    make(random) {
      const dims = shape(random, [1, 3]);
      const axis = random.below(dims.length);
      const k = Tensor.int64([1], [1 + random.below(dims[axis]!)]);
      const attributes = { axis, largest: random.below(2), sorted: 1 };
      return single('TopK', [distinct(random, dims), k], attributes, { outputs: 2 });
    },
  },
];
