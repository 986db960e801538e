import { attr, intOf } from '../../../graph/index.ts';
import { axisOf, type PruneRule } from '../rule.ts';

/** Scale, bias, mean, variance: one number a channel (axis 1); statistics taken at run time are pooled over the spatial axes. */
const perChannel = (inputs: readonly number[], spatial: 'apart' | 'pooled'): PruneRule => ({
  trace(site) {
    const axes = site.axes(0);
    for (const i of inputs) if (site.has(i)) site.tie(axes[1] ?? '', site.axes(i)[0] ?? '');
    if (spatial === 'pooled') {
      for (const axis of axes.slice(2)) site.pin(axis, `is normalized over by ${site.label}`);
    }
    site.set(0, axes);
  },
});

/** Mean and variance over the axes from `axis` on. What remains of a cut axis is normalized by its own statistics. */
const layer: PruneRule = {
  trace(site) {
    const axes = site.axes(0);
    const from = axisOf(intOf(site.node, 'axis', -1), axes.length);
    for (const axis of axes.slice(from)) site.mix(axis, `${site.label} normalizes over it`);
    for (const i of [1, 2]) {
      if (!site.has(i)) continue;
      for (const [at, axis] of site.axes(i).entries()) {
        const own = axes.length - site.axes(i).length + at;
        if (site.shape(i)[at] !== 1) site.tie(axes[own] ?? '', axis);
      }
    }
    site.set(0, axes);
    const rows = axes.map((axis, i) => (i < from ? axis : `is of size one at ${site.label}`));
    for (const i of [1, 2]) if (site.node.outputs[i]) site.set(i, rows);
  },
};

/** Groups of channels with statistics of their own: whole groups go. */
const group: PruneRule = {
  trace(site) {
    const [batch = '', channels = '', ...spatial] = site.axes(0);
    const groups = intOf(site.node, 'num_groups', 1);
    const size = site.shape(0)[1];
    if (typeof size !== 'number') {
      site.opaque('has an unknown number of channels');
      return;
    }
    for (const axis of spatial) site.pin(axis, `is normalized over by ${site.label}`);
    const axis = site.fresh(groups);
    const source = site.product([
      { axis, size: groups },
      { axis: `shares the statistics of ${site.label}`, size: size / groups },
    ]);
    site.tie(channels, source);
    // Until opset 20 there was one number for each group.
    for (const i of [1, 2]) site.tie(site.shape(i)[0] === size ? source : axis, site.axes(i)[0]!);
    site.set(0, [batch, source, ...spatial]);
  },
  cut({ node, before, after }) {
    const groups = intOf(node, 'num_groups', 1);
    const [was, is] = [before(node.inputs[0]!)[1] as number, after(node.inputs[0]!)[1] as number];
    node.attributes.set('num_groups', attr.int((groups * is) / was));
  },
};

/** Shares that sum to one: taking one away changes the others. */
const softmax: PruneRule = {
  trace(site) {
    const axes = site.axes(0);
    const old = site.opset < 13;
    const at = axisOf(intOf(site.node, 'axis', old ? 1 : -1), axes.length);
    // Before opset 13 all axes from there on were one.
    const over = (i: number) => (old ? i >= at : i === at);
    for (const [i, axis] of axes.entries()) if (over(i)) site.pin(axis, `is shared out by ${site.label}`);
    site.set(0, axes);
  },
};

/** Ops that scale values by statistics. */
export const NORMS = {
  BatchNormalization: perChannel([1, 2, 3, 4], 'apart'),
  InstanceNormalization: perChannel([1, 2], 'pooled'),
  LayerNormalization: layer,
  RMSNormalization: layer,
  SimplifiedLayerNormalization: layer,
  GroupNormalization: group,
  Softmax: softmax,
  LogSoftmax: softmax,
  Hardmax: softmax,
} as const satisfies Record<string, PruneRule>;
