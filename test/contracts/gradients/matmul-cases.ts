import type { Random } from '../../../src/base/index.ts';
import { attr } from '../../../src/graph/index.ts';
import { between, type GradientCase, pick, shape, single, values } from './case.ts';

/** Stacks of matrices that broadcast to each other. */
function stacks(random: Random): [number[], number[]] {
  const whole = shape(random, [0, 2], 3);
  const part = () =>
    whole.slice(random.below(whole.length + 1)).map((size) => (random.uniform() < 0.3 ? 1 : size));
  return random.uniform() < 0.5 ? [whole, part()] : [part(), whole];
}

const turn = (dims: number[], on: boolean) =>
  on ? [...dims.slice(0, -2), dims.at(-1)!, dims.at(-2)!] : dims;

const sides = (random: Random) => shape(random, 3, 4) as [number, number, number];
const einsums = [
  [
    'ij,jk->ik',
    [
      [2, 3],
      [3, 4],
    ],
  ],
  [
    'bhqd,bhkd->bhqk',
    [
      [2, 2, 3, 2],
      [2, 2, 4, 2],
    ],
  ],
  [
    'bij,bjk',
    [
      [2, 2, 3],
      [2, 3, 2],
    ],
  ],
  [
    'ij,ij->',
    [
      [3, 2],
      [3, 2],
    ],
  ],
  ['i,j->ij', [[3], [4]]],
  ['ij->ji', [[3, 2]]],
  ['ij->i', [[3, 4]]],
  ['ijk,j->ik', [[2, 3, 2], [3]]],
  ['ij,k->k', [[2, 3], [4]]],
  ['i,ij,j->', [[2], [2, 3], [3]]],
  [
    '...ij,...jk->...ik',
    [
      [2, 2, 3],
      [2, 3, 2],
    ],
  ],
  [
    '...i,ij->...j',
    [
      [2, 3, 2],
      [2, 4],
    ],
  ],
] as const;

/** Products of matrices. */
export const MATMUL_CASES: readonly GradientCase[] = [
  {
    name: 'MatMul of stacks',
    ops: ['MatMul'],
    make(random) {
      const [[m, k, n], [a, b]] = [sides(random), stacks(random)];
      return single('MatMul', [values(random, [...a, m, k]), values(random, [...b, k, n])]);
    },
  },
  {
    name: 'MatMul by one matrix',
    ops: ['MatMul'],
    make(random) {
      const [[m, k, n], lead] = [sides(random), shape(random, [1, 2], 3)];
      return single('MatMul', [values(random, [...lead, m, k]), values(random, [k, n])]);
    },
  },
  {
    name: 'MatMul with vectors',
    ops: ['MatMul'],
    make(random) {
      const [[m, k, n], lead] = [sides(random), shape(random, [0, 1], 3)];
      const [a, b] = pick(random, [
        [[k], [k]],
        [[k], [...lead, k, n]],
        [[...lead, m, k], [k]],
      ]) as [number[], number[]];
      return single('MatMul', [values(random, a), values(random, b)]);
    },
  },
  {
    name: 'Gemm',
    ops: ['Gemm'],
    make(random) {
      const [m, k, n] = sides(random);
      const [transA, transB] = [random.below(2), random.below(2)];
      const c = pick(random, [undefined, [n], [m, n], [1], [m, 1], [1, n], []]);
      return single(
        'Gemm',
        [
          values(random, turn([m, k], transA === 1)),
          values(random, turn([k, n], transB === 1)),
          c && values(random, c),
        ],
        {
          transA,
          transB,
          alpha: pick(random, [undefined, attr.float(0.5), attr.float(2)]),
          beta: pick(random, [undefined, attr.float(0.25), attr.float(3)]),
        },
      );
    },
  },
  {
    name: 'FusedMatMul',
    ops: ['com.microsoft:FusedMatMul'],
    make(random) {
      const [[m, k, n], [a, b]] = [sides(random), stacks(random)];
      const [transA, transB] = [random.below(2), random.below(2)];
      const inputs = [
        values(random, turn([...a, m, k], transA === 1)),
        values(random, turn([...b, k, n], transB === 1)),
      ];
      const alpha = attr.float(between(random, 1, 3) / 2);
      return single('FusedMatMul', inputs, { transA, transB, alpha }, { domain: 'com.microsoft' });
    },
  },
  ...einsums.map(
    ([equation, shapes]): GradientCase => ({
      name: `Einsum ${equation}`,
      ops: ['Einsum'],
      make: (random) =>
        single(
          'Einsum',
          shapes.map((dims) => values(random, dims)),
          { equation: attr.string(equation) },
        ),
    }),
  ),
];
