import { intOf, type OpName } from '../../graph/index.ts';
import type { Composer } from '../composer.ts';
import type { Expansion } from './expansion.ts';
import { type CellFacts, type Direction, unroll } from './unroll.ts';

/** a [N, units] cut into pieces of these multiples of the hidden size. */
function pieces({ to, hidden }: Direction, value: string, shares: readonly number[], axis = 1): string[] {
  return to.ops('Split', [value, to.ints(shares.map((share) => share * hidden))], shares.length, { axis });
}

/** given + h R^T + bias. */
function recurrent(to: Composer, h: string, r: string, given: string, bias: string | undefined): string {
  const sum = bias === undefined ? given : to.op('Add', [given, bias]);
  return to.op('Gemm', [h, r, sum], { transB: 1 });
}

/** H = f(X W^T + H R^T + b) */
const RNN_FACTS: CellFacts = {
  gates: 1,
  activations: ['Tanh'],
  states: [5],
  cell: (direction) => {
    const { to, r, rBias, activations } = direction;
    return (given, [h]) => [activations[0]!(recurrent(to, h!, r, given, rBias))];
  },
};

/** Gates in the order i, o, f, c; peepholes i, o, f. */
const LSTM_FACTS: CellFacts = {
  gates: 4,
  activations: ['Sigmoid', 'Tanh', 'Tanh'],
  states: [5, 6],
  peepholes: 7,
  cell: (direction) => {
    const { to, node, r, rBias, activations, peepholes } = direction;
    const [f, g, h] = activations as [(x: string) => string, (x: string) => string, (x: string) => string];
    const coupled = intOf(node, 'input_forget', 0) !== 0;
    const holes = peepholes === undefined ? undefined : pieces(direction, peepholes, [1, 1, 1], 0);
    const peek = (gate: string, hole: number, c: string) =>
      holes === undefined ? gate : to.op('Add', [gate, to.op('Mul', [c, holes[hole]!])]);
    return (given, [before, c]) => {
      const all = recurrent(to, before!, r, given, rBias);
      const [i, o, forget, candidate] = pieces(direction, all, [1, 1, 1, 1]) as [
        string,
        string,
        string,
        string,
      ];
      const input = f(peek(i, 0, c!));
      const keep = coupled ? to.op('Sub', [to.float(1), input]) : f(peek(forget, 2, c!));
      const next = to.op('Add', [to.op('Mul', [keep, c!]), to.op('Mul', [input, g(candidate)])]);
      return [to.op('Mul', [f(peek(o, 1, next)), h(next)]), next];
    };
  },
};

/** Gates in the order z, r, h. */
const GRU_FACTS: CellFacts = {
  gates: 3,
  activations: ['Sigmoid', 'Tanh'],
  states: [5],
  cell: (direction) => {
    const { to, node, r, rBias, activations } = direction;
    const [f, g] = activations as [(x: string) => string, (x: string) => string];
    const after = intOf(node, 'linear_before_reset', 0) !== 0;
    const [gatesR, candidateR] = pieces(direction, r, [2, 1], 0) as [string, string];
    const [gatesBias, candidateBias] = rBias === undefined ? [] : pieces(direction, rBias, [2, 1], 0);
    const candidateOf = (reset: string, h: string, given: string) => {
      if (!after) return recurrent(to, to.op('Mul', [reset, h]), candidateR, given, candidateBias);
      const bias = candidateBias === undefined ? [] : [candidateBias];
      const linear = to.op('Gemm', [h, candidateR, ...bias], { transB: 1 });
      return to.op('Add', [given, to.op('Mul', [reset, linear])]);
    };
    return (given, [h]) => {
      const [gates, candidate] = pieces(direction, given, [2, 1]) as [string, string];
      const [z, reset] = pieces(direction, f(recurrent(to, h!, gatesR, gates, gatesBias)), [1, 1]) as [
        string,
        string,
      ];
      const fresh = g(candidateOf(reset, h!, candidate));
      // (1 - z) fresh + z h
      return [to.op('Add', [fresh, to.op('Mul', [z, to.op('Sub', [h!, fresh])])])];
    };
  },
};

/** Recurrent layers, unrolled. */
export const RECURRENT = {
  RNN: (node, to) => unroll(node, to, RNN_FACTS),
  GRU: (node, to) => unroll(node, to, GRU_FACTS),
  LSTM: (node, to) => unroll(node, to, LSTM_FACTS),
} as const satisfies Partial<Record<OpName, Expansion>>;
