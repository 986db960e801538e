import { floatOf } from '../../graph/index.ts';
import type { Macro } from './macro.ts';

/** Axes of all but the channels, and the shape of one number a channel that broadcasts. */
function axesOf(dims: readonly number[]): {
  readonly axes: number[];
  readonly wide: number[];
  readonly count: number;
} {
  const axes = dims.flatMap((_, i) => (i === 1 ? [] : [i]));
  return {
    axes,
    wide: dims.map((size, i) => (i === 1 ? size : 1)),
    count: axes.reduce((all, axis) => all * dims[axis]!, 1),
  };
}

/**
 * Batch normalization by the statistics of the batch (Ioffe and Szegedy 2015): inputs x [N, C, ...], scale [C], bias [C]; outputs
 * y, the mean [C] and the inverse deviation 1 / sqrt(variance + epsilon) [C].
 */
export const batchNormalization: Macro = {
  infer(node, to) {
    const channel = { dtype: 'float32', shape: to.shape(node.inputs[1]!) } as const;
    return [{ dtype: 'float32', shape: to.shape(node.inputs[0]!) }, channel, channel];
  },
  // With n = (x - mean) * inverse: dscale = sum(g * n), dbias = sum(g), dx = scale * inverse * (g - dbias / m - n * dscale / m).
  // dx is written as g * a + (x * b + c), with a, b, c per channel: x is read twice and no normalized copy is made.
  gradient(site) {
    const { to } = site;
    const g = site.gradient()!;
    const [x, mean, inverse] = [site.input(0), site.output(1), site.output(2)];
    const { axes, wide, count } = axesOf(site.shape(0));
    const bias = to.sum(g, axes);
    const product = to.sum(to.op('Mul', [g, x]), axes);
    const scale = to.op('Mul', [to.op('Sub', [product, to.op('Mul', [mean, bias])]), inverse]);
    if (!site.wants(0)) return [undefined, scale, bias];
    const a = to.op('Mul', [site.input(1), inverse]);
    const share = to.float(-1 / count);
    const b = to.op('Mul', [to.op('Mul', [to.op('Mul', [a, inverse]), scale]), share]);
    const c = to.op('Sub', [to.op('Mul', [to.op('Mul', [a, bias]), share]), to.op('Mul', [b, mean])]);
    const along = to.op('Add', [to.op('Mul', [x, to.reshape(b, wide)]), to.reshape(c, wide)]);
    return [to.op('Add', [to.op('Mul', [g, to.reshape(a, wide)]), along]), scale, bias];
  },
  lower(node, to) {
    const [x = '', scale = '', bias = ''] = node.inputs;
    const { axes, wide, count } = axesOf(to.shape(x));
    const channels = [to.shape(scale)[0]!];
    const mean = to.mean(x, axes, true);
    // Centred first: a mean of squares less a squared mean cancels where the mean is large.
    const centred = to.op('Sub', [x, mean]);
    const squares = to.op('ReduceSumSquare', [centred, to.ints(axes)], { keepdims: 1 });
    const variance = to.op('Mul', [squares, to.float(1 / count)]);
    const deviation = to.op('Sqrt', [to.op('Add', [variance, to.float(floatOf(node, 'epsilon', 1e-5))])]);
    const inverse = to.op('Reciprocal', [deviation]);
    const factor = to.op('Mul', [inverse, to.reshape(scale, wide)]);
    const y = to.op('Add', [to.op('Mul', [centred, factor]), to.reshape(bias, wide)]);
    return [y, to.reshape(mean, channels), to.reshape(inverse, channels)];
  },
};
