import { intsOf, Tensor } from '../../../graph/index.ts';
import { axisOf, type PruneRule } from '../rule.ts';
import type { Axis } from '../terms.ts';

/** Windows over the spatial axes; each channel by itself. */
const pool: PruneRule = {
  trace(site) {
    if (site.node.outputs[1]) {
      site.opaque('gives indices into the whole tensor');
      return;
    }
    const [batch = '', channels = '', ...spatial] = site.axes(0);
    const why = `is a spatial axis of ${site.label}`;
    for (const axis of spatial) site.pin(axis, why);
    site.set(0, [batch, channels, ...spatial.map(() => why)]);
  },
};

const pad: PruneRule = {
  trace(site) {
    const axes = [...site.axes(0)];
    const pads = intsOf(site.node, 'pads') ?? site.constant(1)?.numbers();
    const which = site.has(3) ? site.constant(3)?.numbers() : axes.map((_, i) => i);
    if (pads === undefined || which === undefined) {
      site.opaque('pads by amounts that are not known');
      return;
    }
    for (const [i, axis] of which.entries()) {
      if (pads[i] === 0 && pads[which.length + i] === 0) continue;
      const at = axisOf(axis, axes.length);
      site.pin(axes[at]!, `is padded by ${site.label}`);
      axes[at] = `is padded by ${site.label}`;
    }
    site.set(0, axes);
  },
};

/** Where an axis is neither stretched nor shrunk it passes. Sizes that are written down shrink with it. */
const resize: PruneRule = {
  trace(site) {
    const { node, opset } = site;
    const [shape, made] = [site.shape(0), site.made(0)];
    const at = opset < 11 ? 1 : 2;
    const factors = node.attributes.has('scales')
      ? node.attributes.get('scales')!.value
      : node.inputs[at] && site.constant(at)?.numbers();
    const scales =
      Array.isArray(factors) && factors.length === shape.length ? (factors as number[]) : undefined;
    const sizes = node.inputs[3] ? (site.constant(3)?.numbers() ?? site.reads(3)) : undefined;
    if (
      node.attributes.has('axes') ||
      node.attributes.get('coordinate_transformation_mode')?.value === 'tf_crop_and_resize'
    ) {
      site.opaque('resizes in a way that is not followed');
      return;
    }
    const axes = site.axes(0).map((axis, i): Axis => {
      const read = sizes?.[i];
      const follows = Array.isArray(read) && read.length === 1 && read[0] === axis;
      const same =
        scales !== undefined
          ? scales[i] === 1
          : sizes !== undefined && shape[i] === made[i] && (typeof read === 'number' || follows);
      if (same) return axis;
      site.pin(axis, `is resized by ${site.label}`);
      return `is resized by ${site.label}`;
    });
    site.set(0, axes);
  },
  cut(site) {
    const { node, before, after } = site;
    const sizes = node.inputs[3] ? site.constant(3)?.numbers() : undefined;
    const [was, is] = [before(node.outputs[0]!), after(node.outputs[0]!)];
    if (sizes === undefined || was.every((dim, i) => dim === is[i])) return;
    site.setInput(
      3,
      Tensor.int64(
        [sizes.length],
        sizes.map((size, i) => (was[i] === is[i] ? size : (is[i] as number))),
      ),
    );
  },
};

/** Ops that move a window, or stretch, over the axes behind the channels. */
export const SPATIAL = {
  MaxPool: pool,
  AveragePool: pool,
  LpPool: pool,
  GlobalMaxPool: pool,
  GlobalAveragePool: pool,
  GlobalLpPool: pool,
  Pad: pad,
  Resize: resize,
  Upsample: resize,
} as const satisfies Record<string, PruneRule>;
