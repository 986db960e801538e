import { attr, intOf } from '../../../graph/index.ts';
import type { PruneRule, TraceSite } from '../rule.ts';
import type { Axis } from '../terms.ts';
import { broadcastAxes } from './elementwise.ts';

/** Input channels in groups, and what each group makes: x [N, C, ...], weight [O, C/group, ...] or, transposed, [C, O/group, ...]. */
function convolution(transposed: boolean): PruneRule {
  return {
    trace(site) {
      const groups = intOf(site.node, 'group', 1);
      const [batch = '', channels = '', ...spatial] = site.axes(0);
      const [first = '', second = ''] = site.axes(1);
      for (const axis of spatial) site.pin(axis, `is a spatial axis of ${site.label}`);
      for (const axis of site.axes(1).slice(2)) site.pin(axis, `is an axis of the kernel of ${site.label}`);
      let made: Axis = transposed ? second : first;
      if (groups === 1) site.tie(channels, transposed ? first : second);
      else {
        const [size, weight] = [site.shape(0)[1], site.shape(1)];
        if (typeof size !== 'number' || typeof weight[0] !== 'number' || typeof weight[1] !== 'number') {
          site.opaque('has groups of channels of unknown number');
          return;
        }
        // Whole groups go, or the same channel of every group.
        const group = { axis: site.fresh(groups), size: groups };
        const inner = size / groups;
        const outer = (transposed ? weight[1] : weight[0] / groups) as number;
        const taken = inner === 1 ? site.fresh(1) : transposed ? site.fresh(inner) : second;
        const given = outer === 1 ? site.fresh(1) : transposed ? second : site.fresh(outer);
        if (inner === 1) site.pin(taken, `is the only channel of a group of ${site.label}`);
        if (outer === 1) site.pin(given, `is the only channel of a group of ${site.label}`);
        const source = site.product([group, { axis: taken, size: inner }]);
        made = site.product([group, { axis: given, size: outer }]);
        site.tie(channels, source);
        site.tie(first, transposed ? source : made);
      }
      if (site.has(2)) site.tie(made, site.axes(2)[0] ?? '');
      const why = `is a spatial axis of ${site.label}`;
      site.set(0, [batch, made, ...spatial.map(() => why)]);
    },
    cut({ node, after }) {
      if (intOf(node, 'group', 1) === 1) return;
      const channels = after(node.inputs[0]!)[1] as number;
      const weight = after(node.inputs[1]!) as readonly number[];
      // Of [O, C/group] the second axis says how many channels a group has left; transposed, that of [C, O/group] does not.
      const groups = transposed ? (after(node.outputs[0]!)[1] as number) / weight[1]! : channels / weight[1]!;
      node.attributes.set('group', attr.int(groups));
    },
  };
}

const matMul: PruneRule = {
  trace(site) {
    const [a, b] = [site.axes(0), site.axes(1)];
    if (a.length < 2 || b.length < 2) {
      // A vector: its one axis is summed over.
      site.tie(a.at(-1)!, b.at(b.length < 2 ? 0 : -2)!);
      const rest = a.length < 2 ? [...b.slice(0, -2), ...b.slice(-1)] : a.slice(0, -1);
      site.set(0, b.length < 2 && a.length < 2 ? [] : rest);
      return;
    }
    site.tie(a.at(-1)!, b.at(-2)!);
    const rank = site.made(0).length;
    const batch = broadcastAxes(site, [0, 1], rank - 2, 2);
    site.set(0, [...batch, a.at(-2)!, b.at(-1)!]);
  },
};

const gemm: PruneRule = {
  trace(site) {
    const [a, b] = [turned(site, 0, 'transA'), turned(site, 1, 'transB')];
    site.tie(a[1]!, b[0]!);
    const axes = [a[0]!, b[1]!];
    if (site.has(2)) {
      const bias = site.axes(2);
      for (const [i, axis] of bias.entries()) {
        if (site.shape(2)[i] !== 1) site.tie(axes[2 - bias.length + i]!, axis);
      }
    }
    site.set(0, axes);
  },
};

function turned(site: TraceSite, input: number, flag: string): readonly Axis[] {
  const axes = site.axes(input);
  return intOf(site.node, flag, 0) === 0 ? axes : [...axes].reverse();
}

/** Ops that sum over channels: what they read and what they make may both shrink. */
export const CONTRACT = {
  Conv: convolution(false),
  ConvTranspose: convolution(true),
  MatMul: matMul,
  Gemm: gemm,
} as const satisfies Record<string, PruneRule>;
