import { attr, intOf } from '../../../graph/index.ts';
import type { PruneRule } from '../rule.ts';

/** x [steps, N, in], W [directions, gates*H, in], R [directions, gates*H, H], B [directions, 2*gates*H]: a hidden unit goes from all gates. */
function cell(gates: number): PruneRule {
  return {
    trace(site) {
      if (intOf(site.node, 'layout', 0) !== 0) {
        site.opaque('has the batch first');
        return;
      }
      const size = site.shape(2)[2];
      if (typeof size !== 'number') {
        site.opaque('has an unknown number of units');
        return;
      }
      const why = `is the order of steps, samples or directions of ${site.label}`;
      const hidden = site.axes(2)[2]!;
      const rows = (count: number) =>
        site.product([
          { axis: `is a gate of ${site.label}`, size: count },
          { axis: hidden, size },
        ]);
      site.tie(site.axes(0)[2]!, site.axes(1)[2]!);
      for (const [input, axis, width] of [
        [1, 1, gates],
        [2, 1, gates],
        [3, 1, 2 * gates],
        [5, 2, 1],
        [6, 2, 1],
        [7, 1, 3],
      ] as const) {
        if (site.has(input)) site.tie(rows(width), site.axes(input)[axis]!);
      }
      for (const [i, name] of site.node.inputs.entries()) {
        if (name === '' || !site.has(i)) continue;
        const kept = i === 0 || i > 3 ? site.axes(i).slice(0, i === 7 ? 1 : 2) : site.axes(i).slice(0, 1);
        for (const axis of kept) site.pin(axis, why);
      }
      for (const [i, name] of site.node.outputs.entries()) {
        if (name !== '') site.set(i, i === 0 ? [why, why, why, hidden] : [why, why, hidden]);
      }
    },
    cut({ node, after }) {
      node.attributes.set('hidden_size', attr.int(after(node.inputs[2]!)[2] as number));
    },
  };
}

/** Recurrent layers. */
export const CELLS = {
  RNN: cell(1),
  GRU: cell(3),
  LSTM: cell(4),
} as const satisfies Record<string, PruneRule>;
