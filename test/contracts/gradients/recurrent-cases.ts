import { Random } from '../../../src/base/index.ts';
import { type Attribute, Tensor } from '../../../src/graph/index.ts';
import { between, type Given, type GradientCase, pick, single, values } from './case.ts';

const strings = (value: readonly string[]): Attribute => ({ type: 'strings', value });

interface Facts {
  readonly gates: number;
  readonly states: number;
  /** Activations of one direction: the usual ones first. */
  readonly activations: readonly (readonly string[])[];
}

const FACTS: Readonly<Record<string, Facts>> = {
  RNN: { gates: 1, states: 1, activations: [['Tanh'], ['Sigmoid'], ['Softsign']] },
  GRU: {
    gates: 3,
    states: 1,
    activations: [
      ['Sigmoid', 'Tanh'],
      ['Sigmoid', 'Softsign'],
    ],
  },
  LSTM: {
    gates: 4,
    states: 2,
    activations: [
      ['Sigmoid', 'Tanh', 'Tanh'],
      ['Sigmoid', 'Softsign', 'Tanh'],
    ],
  },
};

/** A recurrent node with random directions, layout, bias, initial states and peepholes. */
function recurrent(op: string, random: Random) {
  const { gates, states, activations } = FACTS[op]!;
  const [length, batch, size, hidden] = [
    between(random, 1, 4),
    between(random, 1, 2),
    between(random, 1, 3),
    2,
  ];
  const direction = pick(random, ['forward', 'reverse', 'bidirectional']);
  const count = direction === 'bidirectional' ? 2 : 1;
  const batchFirst = random.uniform() < 0.3;
  const draw = (dims: number[], rest = dims) => values(random, batchFirst ? rest : dims, { scale: 0.5 });
  const maybe = (make: () => Tensor): Given => (random.uniform() < 0.6 ? make() : undefined);
  const state = () => draw([count, batch, hidden], [batch, count, hidden]);
  const inputs = [
    draw([length, batch, size], [batch, length, size]),
    draw([count, gates * hidden, size]),
    draw([count, gates * hidden, hidden]),
    maybe(() => draw([count, 2 * gates * hidden])),
    random.uniform() < 0.3 ? Tensor.of('int32', [batch], new Int32Array(batch).fill(length)) : undefined,
    ...Array.from({ length: states }, () => maybe(state)),
    ...(op === 'LSTM' ? [maybe(() => draw([count, 3 * hidden]))] : []),
  ];
  const chosen = pick(random, activations);
  return single(
    op,
    inputs,
    {
      direction,
      hidden_size: hidden,
      layout: batchFirst ? 1 : 0,
      activations:
        chosen === activations[0] ? undefined : strings(Array.from({ length: count }, () => chosen).flat()),
      linear_before_reset: op === 'GRU' ? random.below(2) : undefined,
    },
    { outputs: 1 + states },
  );
}

/** Recurrent layers, unrolled before they are differentiated; twice, to see more of their many forms. */
export const RECURRENT_CASES: readonly GradientCase[] = Object.keys(FACTS).flatMap((op) => [
  { name: op, ops: [op], make: (random) => recurrent(op, random) },
  { name: `${op} again`, ops: [op], make: (random) => recurrent(op, new Random(random.below(1000))) },
]);
