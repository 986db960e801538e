import { Tensor } from '../../graph/index.ts';
import type { Composer } from '../composer.ts';
import { channelSums } from './window.ts';

/** A number per channel [C], seen as [C, 1...] to be broadcast with [N, C, spatial...]. */
export function perChannel(to: Composer, value: string, rank: number): string {
  return to.reshape(value, [...to.shape(value), ...new Array<number>(Math.max(0, rank - 2)).fill(1)]);
}

/**
 * The gradient of a batch normalization's scale: the sum of g * (x - mean) / deviation over each channel, from the
 * sum of g that is there already. One pass over memory less than with normal values.
 */
export function batchSums(
  to: Composer,
  g: string,
  x: string,
  sum: string,
  mean: string,
  inverse: string,
): string {
  const products = channelSums(to, to.op('Mul', [g, x]));
  return to.op('Mul', [to.op('Sub', [products, to.op('Mul', [mean, sum])]), inverse]);
}

/** factor * x + summand, both per channel [C]: a BatchNormalization of known statistics, which is one pass over memory. */
export function affine(to: Composer, x: string, factor: string, summand: string): string {
  const channels = to.shape(factor)[0]!;
  const all = (value: number) =>
    to.constant(Tensor.float32([channels], new Array<number>(channels).fill(value)));
  return to.op('BatchNormalization', [x, factor, summand, all(0), all(1)], { epsilon: 0 });
}
