import { intOf, stringOf } from '../attributes.ts';
import type { Dim } from '../model.ts';
import { type CostRule, known, type OpSpec, type ShapeRule, spec } from './op.ts';

const recurrent =
  (states: number): ShapeRule =>
  (site) => {
    const { node } = site;
    const x = site.ranked(0, 3);
    const r = site.ranked(2, 3);
    const hidden: Dim = intOf(node, 'hidden_size') ?? r?.[2] ?? null;
    const directions = stringOf(node, 'direction', 'forward') === 'bidirectional' ? 2 : 1;
    const batchFirst = intOf(node, 'layout', 0) === 1;
    const [length, batch] = batchFirst ? [x?.[1] ?? null, x?.[0] ?? null] : [x?.[0] ?? null, x?.[1] ?? null];
    const all = batchFirst ? [batch, length, directions, hidden] : [length, directions, batch, hidden];
    const last = batchFirst ? [batch, directions, hidden] : [directions, batch, hidden];
    const dtype = site.dtype(0);
    return [known(dtype, all), ...Array.from({ length: states }, () => known(dtype, last))];
  };

/** Each step multiplies by W and R whole; the gates add their arithmetic per hidden unit. */
const steps =
  (perUnit: number): CostRule =>
  ({ inputs }) => {
    const [x, w, r] = inputs;
    if (x === undefined || w === undefined || r === undefined) return { macs: 0, other: 0 };
    const rounds = (x.dims[0] ?? 0) * (x.dims[1] ?? 0);
    const units = (r.dims[0] ?? 0) * (r.dims[2] ?? 0);
    return { macs: rounds * (w.size + r.size), other: rounds * units * perUnit };
  };

function cell(op: string, since: readonly number[], most: number, states: number, perUnit: number): OpSpec {
  return spec({
    op,
    since,
    inputs: [3, most],
    outputs: [0, 1 + states],
    says: '[steps, directions, N, hidden]; the last step of each state',
    infer: recurrent(states),
    cost: { work: `steps*N*(W + R) MACs, ${perUnit} per unit and step`, rule: steps(perUnit) },
    traits: { sameType: true },
  });
}

/** Recurrent layers: x [steps, N, size], W and R [directions, gates*hidden, ...]. */
export const RECURRENT = {
  RNN: cell('RNN', [1, 7, 14, 22], 6, 1, 3),
  GRU: cell('GRU', [1, 3, 7, 14, 22], 6, 1, 20),
  LSTM: cell('LSTM', [1, 7, 14, 22], 8, 2, 26),
} as const satisfies Record<string, OpSpec>;
