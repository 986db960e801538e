import type { Random } from '../../../src/base/index.ts';
import { attr, Tensor } from '../../../src/graph/index.ts';
import { between, fed, fixed, type GradientCase, pick, shape, single, values } from './case.ts';

const ints = (list: readonly number[]) => Tensor.int64([list.length], list);
const someAxis = (random: Random, rank: number) => random.below(rank) - (random.uniform() < 0.5 ? rank : 0);
const permutation = (random: Random, rank: number) =>
  random.shuffle(Array.from({ length: rank }, (_, i) => i));

/** A part of `total` for each of `count`, at least 1. */
function parts(random: Random, count: number): number[] {
  return Array.from({ length: count }, () => 1 + random.below(3));
}

/** Operators that move, repeat, cut and join elements. */
export const MOVE_CASES: readonly GradientCase[] = [
  {
    name: 'Reshape',
    ops: ['Reshape'],
    make(random) {
      const dims = shape(random, 3);
      const target = pick(random, [[-1], [0, -1], [dims[0]! * dims[1]!, dims[2]!], [1, ...dims]]);
      return single('Reshape', [values(random, dims), ints(target)]);
    },
  },
  {
    name: 'Flatten',
    ops: ['Flatten'],
    make: (random) =>
      single('Flatten', [values(random, shape(random, 3))], { axis: pick(random, [undefined, 0, 2, -1]) }),
  },
  {
    name: 'Squeeze',
    ops: ['Squeeze'],
    make(random) {
      const axes = pick(random, [ints([1]), ints([-1, 1])]);
      return single('Squeeze', [values(random, [2, 1, 3, 1]), axes]);
    },
  },
  {
    name: 'Unsqueeze',
    ops: ['Unsqueeze'],
    make: (random) =>
      single('Unsqueeze', [values(random, shape(random, 2)), ints(pick(random, [[0], [-1, 1], [2, 0]]))]),
  },
  {
    name: 'Identity',
    ops: ['Identity'],
    make: (random) => single('Identity', [values(random, shape(random, 2))]),
  },
  {
    name: 'Cast',
    ops: ['Cast'],
    make: (random) => single('Cast', [values(random, shape(random, 2))], { to: pick(random, [1, 11]) }),
  },
  {
    name: 'CastLike',
    ops: ['CastLike'],
    make(random) {
      const like = pick(random, [Tensor.float32([], [0]), Tensor.of('float64', [], new Float64Array(1))]);
      return single('CastLike', [values(random, shape(random, 2)), fixed(like)]);
    },
  },
  {
    name: 'Dropout',
    ops: ['Dropout'],
    make(random) {
      const training = pick(random, [undefined, Tensor.of('bool', [], new Uint8Array(1))]);
      return single('Dropout', [
        values(random, shape(random, 2)),
        fixed(Tensor.float32([], [0.5])),
        training,
      ]);
    },
  },
  {
    name: 'Transpose',
    ops: ['Transpose'],
    make(random) {
      const dims = shape(random, [1, 4]);
      return single('Transpose', [values(random, dims)], {
        perm: random.uniform() < 0.2 ? undefined : permutation(random, dims.length),
      });
    },
  },
  {
    name: 'Expand',
    ops: ['Expand'],
    make(random) {
      const dims = shape(random, [1, 3]).map((size) => (random.uniform() < 0.5 ? 1 : size));
      const grown = dims.map((size) => (size === 1 ? between(random, 1, 3) : pick(random, [1, size])));
      return single('Expand', [values(random, dims), ints(pick(random, [grown, [2, ...grown]]))]);
    },
  },
  {
    name: 'Tile',
    ops: ['Tile'],
    make(random) {
      const dims = shape(random, [1, 3], 3);
      return single('Tile', [values(random, dims), ints(dims.map(() => between(random, 1, 3)))]);
    },
  },
  {
    name: 'Trilu',
    ops: ['Trilu'],
    make(random) {
      const dims = [...shape(random, [0, 1], 2), 3, 2 + random.below(3)];
      const k = random.uniform() < 0.4 ? undefined : Tensor.int64([], [between(random, -1, 1)]);
      return single('Trilu', [values(random, dims), k], { upper: random.below(2) });
    },
  },
  {
    name: 'Concat',
    ops: ['Concat'],
    make(random) {
      const dims = shape(random, [1, 3]);
      const axis = someAxis(random, dims.length);
      const pieces = parts(random, between(random, 1, 3)).map((size) => {
        const own = dims.with(axis, size);
        const tensor = values(random, own);
        return random.uniform() < 0.3 ? fixed(tensor) : tensor;
      });
      return single('Concat', [...pieces, values(random, dims)], { axis });
    },
  },
  {
    name: 'Split',
    ops: ['Split'],
    make(random) {
      const dims = shape(random, [1, 3]);
      const axis = someAxis(random, dims.length);
      const sizes = parts(random, between(random, 1, 3));
      const total = sizes.reduce((a, b) => a + b, 0);
      const x = values(random, dims.with(axis, total));
      if (random.uniform() < 0.5)
        return single('Split', [x, ints(sizes)], { axis }, { outputs: sizes.length });
      // In even parts, the last one smaller; unless nobody reads it.
      const count = Math.min(total, 2);
      const given = single('Split', [x], { axis, num_outputs: count }, { outputs: count });
      if (random.uniform() < 0.5) given.model.graph.outputs.splice(1);
      return given;
    },
  },
  {
    name: 'Slice',
    ops: ['Slice'],
    make(random) {
      const dims = Array.from({ length: between(random, 1, 3) }, () => between(random, 1, 6));
      const axes = permutation(random, dims.length).slice(0, between(random, 1, dims.length));
      const bounds = axes.map((axis) => {
        const size = dims[axis]!;
        const step = pick(random, [1, 1, 2, 3, -1, -2]);
        const [low, high] = [random.below(size), size - random.below(2)];
        const end = Math.max(low + 1, high);
        if (step > 0) return { start: pick(random, [low, low - size]), end: pick(random, [end, 1000]), step };
        return { start: pick(random, [end - 1, 1000]), end: low === 0 ? -1000 : low - 1, step };
      });
      const plain = random.uniform() < 0.2;
      return single('Slice', [
        values(random, dims),
        ints(bounds.map(({ start }) => start)),
        ints(bounds.map(({ end, step }) => (plain && step < 0 ? -1000 : end))),
        ints(axes.map((axis) => pick(random, [axis, axis - dims.length]))),
        ints(bounds.map(({ step }) => step)),
      ]);
    },
  },
  {
    name: 'Slice of leading axes',
    ops: ['Slice'],
    make: (random) => single('Slice', [values(random, [4, 5]), ints([1, -4]), ints([3, -1])]),
  },
];

/** Distinct or repeated indices below `size`, now and then from the end. */
function indices(random: Random, dims: readonly number[], size: number) {
  const count = dims.reduce((a, b) => a * b, 1);
  const list = Array.from({ length: count }, () => random.below(size) - (random.uniform() < 0.2 ? size : 0));
  const narrow = random.uniform() < 0.3;
  const tensor = narrow ? Tensor.of('int32', dims, Int32Array.from(list)) : Tensor.int64(dims, list);
  return random.uniform() < 0.5 ? fed(tensor) : fixed(tensor);
}

/** For each of `count` places along an axis of `size` another one. */
const places = (random: Random, count: number, size: number) => permutation(random, size).slice(0, count);

/** Operators that read and write by index. */
export const GATHER_CASES: readonly GradientCase[] = [
  {
    name: 'Gather',
    ops: ['Gather'],
    make(random) {
      const dims = shape(random, [1, 3]);
      const axis = someAxis(random, dims.length);
      const size = dims.at(axis)!;
      return single('Gather', [values(random, dims), indices(random, shape(random, [0, 2], 3), size)], {
        axis,
      });
    },
  },
  {
    name: 'GatherElements',
    ops: ['GatherElements'],
    make(random) {
      const dims = shape(random, [1, 3]);
      const axis = someAxis(random, dims.length);
      const own = dims.map((size) => between(random, 1, size)).with(axis, between(random, 1, 4));
      return single('GatherElements', [values(random, dims), indices(random, own, dims.at(axis)!)], { axis });
    },
  },
  {
    name: 'GatherND',
    ops: ['GatherND'],
    make(random) {
      const dims = [2, 3, 2, 2];
      const batch = random.below(3);
      const depth = between(random, 1, 4 - batch);
      const outer = [...dims.slice(0, batch), ...shape(random, [batch === 0 ? 1 : 0, 1], 3)];
      const rows = outer.reduce((a, b) => a * b, 1);
      const list = Array.from({ length: rows }, () =>
        Array.from({ length: depth }, (_, i) => random.below(dims[batch + i]!)),
      );
      const tensor = Tensor.int64([...outer, depth], list.flat());
      return single('GatherND', [values(random, dims), pick(random, [fed, fixed])(tensor)], {
        batch_dims: batch,
      });
    },
  },
  {
    name: 'ScatterElements',
    ops: ['ScatterElements'],
    make(random) {
      const [rows, columns] = [between(random, 2, 4), between(random, 2, 4)];
      const add = random.uniform() < 0.5;
      // Replacing ones each have a place of their own: along axis 1, a choice of columns for every row.
      const width = add ? between(random, 1, 3) : between(random, 1, columns);
      const chosen = Array.from({ length: rows }, () =>
        add ? Array.from({ length: width }, () => random.below(columns)) : places(random, width, columns),
      );
      const index = Tensor.int64([rows, width], chosen.flat());
      const inputs = [values(random, [rows, columns]), index, values(random, [rows, width])];
      return single('ScatterElements', inputs, {
        axis: pick(random, [1, -1]),
        ...(add ? { reduction: 'add' } : {}),
      });
    },
  },
  {
    name: 'ScatterND',
    ops: ['ScatterND'],
    make(random) {
      const [rows, columns] = [between(random, 2, 4), between(random, 1, 3)];
      const add = random.uniform() < 0.5;
      const count = add ? between(random, 1, 5) : between(random, 1, rows);
      const chosen = add
        ? Array.from({ length: count }, () => random.below(rows))
        : places(random, count, rows);
      const inputs = [
        values(random, [rows, columns]),
        Tensor.int64([count, 1], chosen),
        values(random, [count, columns]),
      ];
      return single('ScatterND', inputs, add ? { reduction: attr.string('add') } : {});
    },
  },
  {
    name: 'OneHot of learned values',
    ops: ['OneHot'],
    make(random) {
      // Of the types that the runtime has a kernel for.
      const chosen = Tensor.int64(
        [3, 2],
        Array.from({ length: 6 }, () => random.below(4)),
      );
      const index = pick(random, [fed, fixed])(chosen);
      const axis = pick(random, [undefined, 0, 1, -1]);
      return single('OneHot', [index, Tensor.int64([], [4]), values(random, [2])], { axis });
    },
  },
];
