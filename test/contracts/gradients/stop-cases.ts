import { attr, makeNode, type Node, Tensor } from '../../../src/graph/index.ts';
import { type GradientCase, graphOf, shape, values } from './case.ts';

/*
 * Along a stop nothing flows: y = x s(x) has the gradient s(x), as if s(x) were a constant. Finite differences say the
 * same, away from the steps.
 */

const steps = [-2.5, -2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 2.5];

const stopping = (
  op: string,
  make: (inputs: string[]) => Node[],
  extra: Record<string, Tensor> = {},
): GradientCase => ({
  name: `${op} stops`,
  ops: [op],
  make(random) {
    const x = values(random, shape(random, [1, 2]), { scale: 1, awayFrom: steps });
    const nodes = [...make(['x', ...Object.keys(extra)]), makeNode('Mul', ['x', 's'], ['y'])];
    return graphOf(
      nodes,
      {
        x,
        ...Object.fromEntries(
          Object.entries(extra).map(([name, tensor]) => [name, { tensor, as: 'constant' as const }]),
        ),
      },
      ['y'],
    );
  },
});

const float = { to: attr.int(1) };
const step = (op: string) => stopping(op, (inputs) => [makeNode(op, inputs, ['s'])]);
const cast = (op: string, extra: Record<string, Tensor> = {}) =>
  stopping(op, (inputs) => [makeNode(op, inputs, ['b']), makeNode('Cast', ['b'], ['s'], float)], extra);
const zero = { zero: Tensor.float32([], [0]) };

/** Operators along which nothing flows back. */
export const STOP_CASES: readonly GradientCase[] = [
  ...['Ceil', 'Floor', 'Round', 'Sign', 'Hardmax'].map(step),
  ...['Equal', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual'].map((op) => cast(op, zero)),
  ...['IsInf', 'IsNaN', 'Size'].map((op) => cast(op)),
  ...['ArgMax', 'ArgMin'].map((op) => cast(op)),
  stopping('Shape', (inputs) => [
    makeNode('Shape', inputs, ['dims']),
    makeNode('ReduceProd', ['dims'], ['count'], { keepdims: attr.int(0) }),
    makeNode('Cast', ['count'], ['s'], float),
  ]),
  stopping('NonZero', (inputs) => [
    makeNode('NonZero', inputs, ['places']),
    makeNode('ReduceSum', ['places'], ['sum'], { keepdims: attr.int(0) }),
    makeNode('Cast', ['sum'], ['s'], float),
  ]),
];
