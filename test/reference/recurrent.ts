import { intOf, type Node, stringOf } from '../../src/graph/index.ts';
import { type Call, input, type Kernel, type Kernels } from './kernel.ts';
import { type Activation, activationsOf } from './recurrent-activations.ts';
import { float, type Value } from './value.ts';

/** The weights of one direction of one gate (by its place in W, R and B), and what it adds up. */
interface Gates {
  /** W x + Wb of a gate, for one hidden unit. */
  fromInput(gate: number, unit: number, x: readonly number[]): number;
  /** R h + Rb of a gate, for one hidden unit. */
  fromHidden(gate: number, unit: number, h: readonly number[]): number;
  /** The peephole weight of a gate (LSTM), 0 where there are none. */
  peephole(gate: number, unit: number): number;
}

/** One step: from x, h and c to the new h and c (c is empty for all but LSTM). */
type Step = (
  x: readonly number[],
  h: readonly number[],
  c: readonly number[],
) => { h: number[]; c: number[] };

/** What distinguishes a cell. */
interface Cell {
  readonly gates: number;
  /** Default activations of a direction. */
  readonly activations: readonly string[];
  /** Where initial_c and peepholes stand among the inputs. */
  readonly inputs?: { readonly cell: number; readonly peepholes: number };
  step(gates: Gates, activations: readonly Activation[], hidden: number, node: Node): Step;
}

const units = (hidden: number, f: (unit: number) => number) => Array.from({ length: hidden }, (_, j) => f(j));

/** h = f(W x + R h + b). */
const RNN: Cell = {
  gates: 1,
  activations: ['tanh'],
  step:
    (gates, [f], hidden) =>
    (x, h) => ({ h: units(hidden, (j) => f!(gates.fromInput(0, j, x) + gates.fromHidden(0, j, h))), c: [] }),
};

/** Gates z, r, h. h' = (1 - z) g(W x + r (R h)) + z h; linear_before_reset: r applies to R h + Rb, else to h before R. */
const GRU: Cell = {
  gates: 3,
  activations: ['sigmoid', 'tanh'],
  step: (gates, [f, g], hidden, node) => {
    const linear = intOf(node, 'linear_before_reset', 0) !== 0;
    return (x, h) => {
      const z = units(hidden, (j) => f!(gates.fromInput(0, j, x) + gates.fromHidden(0, j, h)));
      const r = units(hidden, (j) => f!(gates.fromInput(1, j, x) + gates.fromHidden(1, j, h)));
      const reset = h.map((v, j) => v * r[j]!);
      const candidate = units(hidden, (j) => {
        const recurrent = linear ? r[j]! * gates.fromHidden(2, j, h) : gates.fromHidden(2, j, reset);
        return g!(gates.fromInput(2, j, x) + recurrent);
      });
      return { h: candidate.map((v, j) => (1 - z[j]!) * v + z[j]! * h[j]!), c: [] };
    };
  },
};

/** Gates i, o, f, c; peepholes i, o, f. */
const LSTM: Cell = {
  gates: 4,
  activations: ['sigmoid', 'tanh', 'tanh'],
  inputs: { cell: 6, peepholes: 7 },
  step: (gates, [f, g, k], hidden, node) => {
    const coupled = intOf(node, 'input_forget', 0) !== 0;
    return (x, h, c) => {
      const sum = (gate: number, j: number) => gates.fromInput(gate, j, x) + gates.fromHidden(gate, j, h);
      const inner = (gate: number, peephole: number, cell: readonly number[]) =>
        units(hidden, (j) => f!(sum(gate, j) + gates.peephole(peephole, j) * cell[j]!));
      const entering = inner(0, 0, c);
      const forget = coupled ? entering.map((v) => 1 - v) : inner(2, 2, c);
      const candidate = units(hidden, (j) => g!(sum(3, j)));
      const cell = c.map((v, j) => forget[j]! * v + entering[j]! * candidate[j]!);
      // The output gate sees the new cell.
      const output = inner(1, 1, cell);
      return { h: output.map((v, j) => v * k!(cell[j]!)), c: cell };
    };
  },
};

function gatesOf(call: Call, cell: Cell, hidden: number, direction: number): Gates {
  const [w, r, b] = [input(call, 1), input(call, 2), call.inputs[3]];
  const p = cell.inputs && call.inputs[cell.inputs.peepholes];
  const all = cell.gates * hidden;
  const dot = (weights: Value, row: number, numbers: readonly number[]) =>
    numbers.reduce((sum, v, i) => sum + weights.data[row * numbers.length + i]! * v, 0);
  const row = (gate: number, unit: number) => direction * all + gate * hidden + unit;
  const bias = (gate: number, unit: number, half: number) =>
    b?.data[direction * 2 * all + half * all + gate * hidden + unit] ?? 0;
  return {
    fromInput: (gate, unit, x) => dot(w, row(gate, unit), x) + bias(gate, unit, 0),
    fromHidden: (gate, unit, h) => dot(r, row(gate, unit), h) + bias(gate, unit, 1),
    peephole: (gate, unit) => p?.data[(direction * 3 + gate) * hidden + unit] ?? 0,
  };
}

/** Inputs X, W, R, B, sequence_lens, initial_h, (initial_c, P); outputs Y, Y_h, (Y_c). layout 1 puts the batch first. */
const recurrent =
  (cell: Cell): Kernel =>
  (call) => {
    const { node } = call;
    const x = input(call, 0);
    const hidden = input(call, 2).dims[2]!;
    const directions = input(call, 1).dims[0]!;
    const batchFirst = intOf(node, 'layout', 0) !== 0;
    const [steps, batch] = (batchFirst ? [x.dims[1], x.dims[0]] : x.dims) as [number, number];
    const width = x.dims[2]!;
    const stateAt = (b: number, d: number) => (batchFirst ? b * directions + d : d * batch + b) * hidden;
    const outputAt = (t: number, b: number, d: number) =>
      (batchFirst ? (b * steps + t) * directions + d : (t * directions + d) * batch + b) * hidden;
    const initial = (at: number | undefined, b: number, d: number) =>
      units(hidden, (j) => (at === undefined ? undefined : call.inputs[at]?.data[stateAt(b, d) + j]) ?? 0);
    const activations = activationsOf(node, cell.activations, directions);
    const y = new Float64Array(steps * batch * directions * hidden);
    const lastH = new Float64Array(batch * directions * hidden);
    const lastC = new Float64Array(batch * directions * hidden);
    for (let d = 0; d < directions; d++) {
      const step = cell.step(gatesOf(call, cell, hidden, d), activations[d]!, hidden, node);
      const backwards = d === 1 || stringOf(node, 'direction', 'forward') === 'reverse';
      for (let b = 0; b < batch; b++) {
        let state = { h: initial(5, b, d), c: initial(cell.inputs?.cell, b, d) };
        // What lies behind the end of a shorter sequence stays zero.
        const length = call.inputs[4]?.data[b] ?? steps;
        for (let s = 0; s < length; s++) {
          const t = backwards ? length - 1 - s : s;
          const from = (batchFirst ? b * steps + t : t * batch + b) * width;
          state = step([...x.data.subarray(from, from + width)], state.h, state.c);
          y.set(state.h, outputAt(t, b, d));
        }
        lastH.set(state.h, stateAt(b, d));
        lastC.set(state.c, stateAt(b, d));
      }
    }
    const yDims = batchFirst ? [batch, steps, directions, hidden] : [steps, directions, batch, hidden];
    const stateDims = batchFirst ? [batch, directions, hidden] : [directions, batch, hidden];
    const found = [float(yDims, y), float(stateDims, lastH)];
    return cell.inputs === undefined ? found : [...found, float(stateDims, lastC)];
  };

/** Recurrent layers. */
export const RECURRENT: Kernels = { RNN: recurrent(RNN), GRU: recurrent(GRU), LSTM: recurrent(LSTM) };
