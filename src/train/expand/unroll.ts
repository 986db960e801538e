import { intOf, type Node, stringOf } from '../../graph/index.ts';
import type { Composer } from '../composer.ts';
import { refuse } from './expansion.ts';
import { type Activation, activationsOf } from './recurrent-activations.ts';

/** One direction of a recurrent node: what each step needs. */
export interface Direction {
  readonly to: Composer;
  readonly node: Node;
  /** Units. */
  readonly hidden: number;
  /** [gates * hidden, hidden] */
  readonly r: string;
  /** The bias of R, [gates * hidden]. */
  readonly rBias: string | undefined;
  /** The peepholes of an LSTM, [3 * hidden]. */
  readonly peepholes: string | undefined;
  readonly activations: readonly Activation[];
}

/**
 * One step: what the inputs give to the gates [N, gates * hidden] (the bias of W in it) and the states [N, hidden] in, the
 * new states out; the first of them is the answer.
 */
export type Step = (given: string, states: readonly string[]) => readonly string[];

/** What makes one recurrent operator another than the others. */
export interface CellFacts {
  readonly gates: number;
  /** Default activations of one direction. */
  readonly activations: readonly string[];
  /** Inputs that hold the initial states, in the order of the outputs. */
  readonly states: readonly number[];
  /** Input that holds the peepholes. */
  readonly peepholes?: number;
  /** Prepares what all steps of a direction share, and gives the cell. */
  readonly cell: (direction: Direction) => Step;
}

/**
 * A recurrent node, step after step: Y and the last of each state. The inputs are multiplied by W for all steps at once.
 * Formulas: onnx/docs/Operators.md, RNN, GRU, LSTM.
 */
export function unroll(node: Node, to: Composer, facts: CellFacts): string[] {
  const batchFirst = intOf(node, 'layout', 0) === 1;
  const x = batchFirst ? to.transpose(node.inputs[0]!, [1, 0, 2]) : node.inputs[0]!;
  const [length, batch, size] = to.shape(x) as [number, number, number];
  refuseLengths(node, to, length);
  const rows = to.reshape(x, [length * batch, size]);
  const kind = stringOf(node, 'direction', 'forward');
  const reverses = kind === 'bidirectional' ? [false, true] : [kind === 'reverse'];
  const count = reverses.length;
  const parts = (input: number, axis = 0) => apart(to, node.inputs[input] ?? '', axis, count);
  const [w, r, b] = [parts(1)!, parts(2)!, parts(3)];
  const initial = facts.states.map((input) => parts(input, batchFirst ? 1 : 0));
  const peepholes = facts.peepholes === undefined ? undefined : parts(facts.peepholes);
  const activations = activationsOf(node, to, facts.activations, count);
  const hidden = to.shape(r[0]!)[1]!;
  const width = facts.gates * hidden;
  const runs = reverses.map((reverse, d) => {
    const [wBias, rBias] =
      b === undefined ? [] : to.ops('Split', [b[d]!, to.ints([width, width])], 2, { axis: 0 });
    const product = to.op('Gemm', [rows, w[d]!, ...(wBias === undefined ? [] : [wBias])], { transB: 1 });
    const pieces = to.ops('Split', [product, to.ints(Array.from({ length }, () => batch))], length, {
      axis: 0,
    });
    const direction: Direction = {
      to,
      node,
      hidden,
      r: r[d]!,
      rBias,
      peepholes: peepholes?.[d],
      activations: activations[d]!,
    };
    const step = facts.cell(direction);
    let states: readonly string[] = initial.map(
      (given) => given?.[d] ?? to.expand(to.float(0), [batch, hidden]),
    );
    const answers: string[] = [];
    const order = Array.from({ length }, (_, t) => (reverse ? length - 1 - t : t));
    for (const t of order) {
      states = step(pieces[t]!, states);
      answers[t] = states[0]!;
    }
    return { y: to.reshape(join(to, answers, 0), [length, 1, batch, hidden]), states };
  });
  const y = join(
    to,
    runs.map((run) => run.y),
    1,
  );
  const last = facts.states.map((_, i) =>
    join(
      to,
      runs.map(({ states }) => to.reshape(states[i]!, [1, batch, hidden])),
      0,
    ),
  );
  if (!batchFirst) return [y, ...last];
  return [to.transpose(y, [2, 0, 1, 3]), ...last.map((state) => to.transpose(state, [1, 0, 2]))];
}

function join(to: Composer, values: readonly string[], axis: number): string {
  return values.length === 1 ? values[0]! : to.op('Concat', values, { axis });
}

/** What belongs to each direction, the axis of directions gone; undefined for an input that is absent. */
function apart(to: Composer, value: string, axis: number, count: number): string[] | undefined {
  if (value === '') return undefined;
  const dims = to.shape(value).filter((_, i) => i !== axis);
  const each = Array.from({ length: count }, () => 1);
  const parts = count === 1 ? [value] : to.ops('Split', [value, to.ints(each)], count, { axis });
  return parts.map((part) => to.reshape(part, dims));
}

/** Every sequence must be as long as the input. */
function refuseLengths(node: Node, to: Composer, length: number): void {
  const name = node.inputs[4] ?? '';
  if (name === '') return;
  const lengths = to.elements(name);
  if (lengths?.every((one) => one === length)) return;
  refuse(
    node,
    lengths === undefined ? 'with sequence_lens that are fed' : 'with sequences of several lengths',
  );
}
