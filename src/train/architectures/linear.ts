import { attr } from '../../graph/index.ts';
import { type Fill, filled, he, xavier } from './init.ts';
import type { Net } from './net.ts';

/** A value of shape [N, size]. */
export interface Features {
  readonly value: string;
  readonly size: number;
}

/** A fully connected layer on [N, size]: one Gemm with the weight as [out, in], as PyTorch exports it. */
export function linear(
  net: Net,
  name: string,
  from: Features,
  size: number,
  fill: Fill,
  output?: string,
): Features {
  const weight = net.weight(`${name}.weight`, [size, from.size], fill);
  const bias = net.weight(`${name}.bias`, [size], filled(0));
  const value = net.op('Gemm', name, [from.value, weight, bias], { transB: attr.int(1) }, output);
  return { value, size };
}

/** Fully connected layers with a Relu after each. */
export function reluLayers(net: Net, name: string, from: Features, sizes: readonly number[]): Features {
  return sizes.reduce((before, size, i) => {
    const { value } = linear(net, `${name}${i + 1}`, before, size, he(before.size));
    return { value: net.op('Relu', `${name}${i + 1}.relu`, [value]), size };
  }, from);
}

/** A fully connected layer along the last axis of [N, T, into]: MatMul with the weight as [in, out], and Add. */
export function linearAlong(net: Net, name: string, from: string, into: number, size: number): string {
  const weight = net.weight(`${name}.weight`, [into, size], xavier(into, size));
  const bias = net.weight(`${name}.bias`, [size], filled(0));
  return net.op('Add', name, [bias, net.op('MatMul', `${name}.product`, [from, weight])]);
}

/** All features beside each other; of one nothing is made. */
export function joined(net: Net, name: string, parts: readonly Features[]): Features {
  if (parts.length === 1) return parts[0]!;
  return {
    value: net.op(
      'Concat',
      name,
      parts.map(({ value }) => value),
      { axis: attr.int(1) },
    ),
    size: parts.reduce((sum, { size }) => sum + size, 0),
  };
}
