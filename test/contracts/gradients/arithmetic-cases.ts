import type { Random } from '../../../src/base/index.ts';
import { makeNode, Tensor } from '../../../src/graph/index.ts';
import { between, type Draw, type GradientCase, graphOf, pick, shape, single, values } from './case.ts';

/** Two shapes that broadcast to each other: axes of 1 and missing axes in front of either. */
export function broadcastable(random: Random, count = 2): number[][] {
  const whole = shape(random, [1, 3]);
  return Array.from({ length: count }, (_, i) => {
    const dims = whole.map((size) => (random.uniform() < 0.3 ? 1 : size));
    const missing = i === 0 ? 0 : random.below(whole.length + 1);
    return random.uniform() < 0.3 ? whole : dims.slice(missing);
  });
}

const binary = (op: string, first: Draw = {}, second: Draw = {}): GradientCase => ({
  name: op,
  ops: [op],
  make(random) {
    const [a, b] = broadcastable(random) as [number[], number[]];
    return single(op, [values(random, a, first), values(random, b, second)]);
  },
});

const several = (op: string): GradientCase => ({
  name: `${op} of several`,
  ops: [op],
  make: (random) =>
    single(
      op,
      broadcastable(random, between(random, 1, 4)).map((dims) => values(random, dims)),
    ),
});

/** Every operand has the last word somewhere, and no two are near each other. */
const extremum = (op: string): GradientCase => ({
  name: `${op} of several`,
  ops: [op],
  make(random) {
    const shapes = random.shuffle([[3, 4], [4], [3, 1]]).slice(0, between(random, 1, 3));
    const inputs = shapes.map((dims, i) => {
      const size = dims.reduce((n, dim) => n * dim, 1);
      const drawn = Array.from({ length: size }, () => 0.5 * random.below(6) + 0.1 * i);
      return Tensor.float32(dims, drawn);
    });
    return single(op, inputs);
  },
});

const positive: Draw = { between: [0.4, 2] };
const awayFromZero: Draw = { awayFrom: [0], distance: 0.4 };

/** Two operands or more, broadcast. */
export const ARITHMETIC_CASES: readonly GradientCase[] = [
  binary('Add'),
  binary('Sub'),
  binary('Mul'),
  {
    name: 'Add of a bias to many rows',
    ops: ['Add'],
    make: (random) =>
      single('Add', [values(random, [3, 4, 9]), values(random, pick(random, [[9], [1, 9], [1, 4, 9]]))]),
  },
  binary('Div', {}, awayFromZero),
  binary('Pow', positive),
  ...['Sum', 'Mean'].map(several),
  ...['Min', 'Max'].map(extremum),
  {
    name: 'Pow by a constant',
    ops: ['Pow'],
    make(random) {
      const exponent = pick(random, [1, 2, 3, 0.5, -1, 1.7, 4]);
      const tensor = pick(random, [[], [1]]);
      const draw = exponent === 2 || exponent === 3 ? {} : positive;
      const whole = Number.isInteger(exponent) && random.uniform() < 0.5;
      const p = whole ? Tensor.int64(tensor, [exponent]) : Tensor.float32(tensor, [exponent]);
      return single('Pow', [values(random, shape(random, [1, 3]), draw), { tensor: p, as: 'constant' }]);
    },
  },
  {
    name: 'Mod of floats',
    ops: ['Mod'],
    make(random) {
      const dims = shape(random, [1, 2]);
      // x = m (k + 0.2 ... 0.8): steps stay away.
      const m = values(random, dims, { between: [0.5, 1.5] });
      const whole = m.numbers().map((value) => {
        const sign = random.uniform() < 0.5 ? -1 : 1;
        return sign * value * (random.below(4) + 0.2 + 0.6 * random.uniform());
      });
      return single('Mod', [Tensor.float32(dims, whole), m], { fmod: 1 });
    },
  },
  {
    name: 'a value used three times',
    ops: ['Mul', 'Add', 'Sub'],
    make(random) {
      const nodes = [
        makeNode('Mul', ['x', 'x'], ['p']),
        makeNode('Add', ['p', 'x'], ['q']),
        makeNode('Sub', ['q', 'p'], ['y']),
      ];
      return graphOf(nodes, { x: values(random, shape(random, [0, 3])) }, ['y', 'q']);
    },
  },
];
