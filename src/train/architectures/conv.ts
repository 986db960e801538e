import { attr } from '../../graph/index.ts';
import type { CommonOptions } from './architecture.ts';
import { filled, he } from './init.ts';
import type { Picture } from './inputs.ts';
import type { Features } from './linear.ts';
import type { Net } from './net.ts';

/** Options of the architectures that end with the mean of a picture. */
export interface PictureOptions extends CommonOptions {
  /** The mean is taken in so many parts a side, see `pooled`. */
  readonly cells: number;
}

type Pair = readonly [number, number];

/** A convolution: padded so that a stride of s leaves ceil(size / s). */
export interface ConvSettings {
  readonly channels: number;
  /** Height and width. */
  readonly kernel: Pair;
  /** Default [1, 1]. */
  readonly stride?: Pair;
  /** True: each channel by itself. */
  readonly depthwise?: boolean;
  /** Default: none. */
  readonly activation?: 'Relu' | 'Relu6';
}

/**
 * Convolution without bias, BatchNormalization and activation. `suffix` tells those of one block apart: '1' makes
 * 'block2.conv1', 'block2.bn1' and 'block2.relu1' of 'block2'.
 */
export function convNorm(
  net: Net,
  scope: string,
  suffix: string,
  from: Picture,
  settings: ConvSettings,
): Picture {
  const { channels, kernel, stride = [1, 1], depthwise = false, activation } = settings;
  const conv = `${scope}.conv${suffix}`;
  const perGroup = depthwise ? 1 : from.channels;
  const dims = [channels, perGroup, ...kernel];
  const weight = net.weight(`${conv}.weight`, dims, he(perGroup * kernel[0] * kernel[1]));
  const [top, bottom] = padsOf(from.height, kernel[0], stride[0]);
  const [left, right] = padsOf(from.width, kernel[1], stride[1]);
  const mixed = net.op('Conv', conv, [from.value, weight], {
    dilations: attr.ints([1, 1]),
    group: attr.int(depthwise ? channels : 1),
    kernel_shape: attr.ints(kernel),
    pads: attr.ints([top, left, bottom, right]),
    strides: attr.ints(stride),
  });
  const value = batchNorm(net, `${scope}.bn${suffix}`, mixed, channels);
  return {
    value: activated(net, `${scope}.relu${suffix}`, value, activation),
    channels,
    height: Math.ceil(from.height / stride[0]),
    width: Math.ceil(from.width / stride[1]),
  };
}

/** Odd kernels are padded alike on both sides, as PyTorch's nets do; even ones as SAME_UPPER, the odd one at the end. */
function padsOf(size: number, kernel: number, stride: number): Pair {
  if (kernel % 2 === 1) return [(kernel - 1) / 2, (kernel - 1) / 2];
  const total = Math.max(0, (Math.ceil(size / stride) - 1) * stride + kernel - size);
  return [Math.floor(total / 2), Math.ceil(total / 2)];
}

function batchNorm(net: Net, name: string, value: string, channels: number): string {
  const parameters = [
    net.weight(`${name}.weight`, [channels], filled(1)),
    net.weight(`${name}.bias`, [channels], filled(0)),
    net.weight(`${name}.running_mean`, [channels], filled(0)),
    net.weight(`${name}.running_var`, [channels], filled(1)),
  ];
  return net.op('BatchNormalization', name, [value, ...parameters], {
    epsilon: attr.float(1e-5),
    momentum: attr.float(0.9),
  });
}

function activated(net: Net, name: string, value: string, kind: ConvSettings['activation']): string {
  if (kind === undefined) return value;
  if (kind === 'Relu') return net.op('Relu', name, [value]);
  return net.op('Clip', name, [value, net.scalar('relu6.min', 0), net.scalar('relu6.max', 6)]);
}

/**
 * The means over a grid of `cells` x `cells` parts of the picture, as far as it has that many rows and columns: [N, channels * cells *
 * cells]. One cell forgets where something was; what depends on the place (steering, boxes) wants more.
 */
export function pooled(net: Net, from: Picture, cells: number): Features {
  const rows = Math.min(cells, from.height);
  const columns = Math.min(cells, from.width);
  const mean =
    rows * columns === 1
      ? net.op('GlobalAveragePool', 'pool', [from.value])
      : net.op('AveragePool', 'pool', [from.value], gridOf(from, rows, columns));
  return {
    value: net.op('Flatten', 'pool.flat', [mean], { axis: attr.int(1) }),
    size: from.channels * rows * columns,
  };
}

/** Windows of one size that together cover the picture; they overlap where it does not divide. */
function gridOf({ height, width }: Picture, rows: number, columns: number) {
  const strides = [Math.floor(height / rows), Math.floor(width / columns)] as const;
  const kernel = [height - (rows - 1) * strides[0], width - (columns - 1) * strides[1]];
  return { kernel_shape: attr.ints(kernel), strides: attr.ints(strides) };
}
