import { floatOf } from '../../graph/index.ts';
import { affine, batchSums, perChannel } from '../gradients/batch-sums.ts';
import { channelSums } from '../gradients/window.ts';
import type { Macro } from './macro.ts';

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
    const dims = site.shape(0);
    const bias = channelSums(to, g);
    if (!site.wants(0) && !site.wants(1)) return [undefined, undefined, bias];
    const scale = batchSums(to, g, x, bias, mean, inverse);
    if (!site.wants(0)) return [undefined, scale, bias];
    const a = to.op('Mul', [site.input(1), inverse]);
    const share = to.float(-dims[1]! / dims.reduce((all, size) => all * size, 1));
    const b = to.op('Mul', [to.op('Mul', [to.op('Mul', [a, inverse]), scale]), share]);
    const c = to.op('Sub', [to.op('Mul', [to.op('Mul', [a, bias]), share]), to.op('Mul', [b, mean])]);
    const own = to.op('Mul', [g, perChannel(to, a, dims.length)]);
    return [to.op('Add', [own, affine(to, x, b, c)]), scale, bias];
  },
  // The runtime's own training mode: a quarter to a half of the time of separate nodes, on one thread or two (measured).
  // With momentum 0 its running statistics are those of the batch. The runtime writes them over the old ones it is given, be they
  // constants or shared: so each of the two gets zeros of its own, computed anew in every run.
  lower(node, to) {
    const [x = '', scale = '', bias = ''] = node.inputs;
    const epsilon = floatOf(node, 'epsilon', 1e-5);
    const zeros = [scale, bias].map((value) => to.op('Sub', [value, value]));
    const inputs = [x, scale, bias, ...zeros];
    const attributes = { epsilon, momentum: 0, training_mode: 1 };
    const [y, mean, variance] = to.ops('BatchNormalization', inputs, 3, attributes) as [
      string,
      string,
      string,
    ];
    const deviation = to.op('Sqrt', [to.op('Add', [variance, to.float(epsilon)])]);
    return [y, mean, to.op('Reciprocal', [deviation])];
  },
};
