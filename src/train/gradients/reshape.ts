import { constantOf, DTYPES, intOf, intsOf, type OpName } from '../../graph/index.ts';
import type { GradientRule } from './rule.ts';
import { refuse } from './site.ts';

/** The same elements under another shape. */
const reshaped: GradientRule = (site) => [site.to.reshape(site.gradient()!, site.shape(0))];

const passed: GradientRule = (site) => [site.gradient()];

/** Operators that move or repeat elements. */
export const RESHAPE = {
  Reshape: reshaped,
  Flatten: reshaped,
  Squeeze: reshaped,
  Unsqueeze: reshaped,
  Identity: passed,
  // Training runs in float32; from a float to another float and back.
  Cast: (site) => {
    const from = site.to.dtype(site.input(0))!;
    const same = site.to.dtype(site.output()) === from;
    return [same ? site.gradient() : site.to.op('Cast', [site.gradient()!], { to: DTYPES[from].onnx })];
  },
  CastLike: (site) => {
    const same = site.to.dtype(site.output()) === site.to.dtype(site.input(0));
    return [same ? site.gradient() : site.to.op('CastLike', [site.gradient()!, site.input(0)])];
  },
  Dropout: (site) => {
    const training = site.input(2);
    const on = training !== '' && constantOf(site.to.model.graph, training)?.numbers()[0] !== 0;
    if (on) refuse(site, 'in training mode');
    return [site.gradient()];
  },
  Transpose: (site) => {
    const rank = site.shape(0).length;
    const perm = intsOf(site.node, 'perm') ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
    const back = Array.from({ length: rank }, (_, i) => perm.indexOf(i));
    return [site.to.transpose(site.gradient()!, back)];
  },
  Expand: (site) => [site.to.unbroadcast(site.gradient()!, site.shape(0))],
  // Copies stand next to each other along an axis of their own.
  Tile: (site) => {
    const { to } = site;
    const dims = site.shape(0);
    const whole = to.shape(site.output());
    const split = dims.flatMap((size, i) => [size === 0 ? 0 : whole[i]! / size, size]);
    const copies = dims.flatMap((size, i) => (whole[i] === size ? [] : [2 * i]));
    return [to.reshape(to.sum(to.reshape(site.gradient()!, split), copies, true), dims)];
  },
  Trilu: (site) => {
    const upper = intOf(site.node, 'upper', 1);
    const inputs = site.input(1) === '' ? [site.gradient()!] : [site.gradient()!, site.input(1)];
    return [site.to.op('Trilu', inputs, { upper })];
  },
} as const satisfies Partial<Record<OpName, GradientRule>>;
