import { attr } from '../../graph/index.ts';
import { architecture } from './architecture.ts';
import { convNorm, type PictureOptions, pooled } from './conv.ts';
import { type Picture, pictureOf, readsPicture } from './inputs.ts';
import type { Net } from './net.ts';
import { scaledChannels, scaledCount } from './size.ts';

export interface ResidualCnnOptions extends PictureOptions {
  /** Of the first stage; each further one has twice as many on a picture of half the size. */
  readonly channels: number;
  readonly stages: number;
  /** Blocks per stage. */
  readonly blocks: number;
}

/** Up to this side the first convolution is 3x3 without a stride, as for CIFAR; larger pictures are halved by a 7x7. */
const SMALL = 64;
/** Above this side a MaxPool halves the picture once more, as for ImageNet. */
const LARGE = 128;

/**
 * Residual networks of two-convolution blocks (He et al. 2016; for small pictures section 4.2: 3 stages of 16, 32 and 64
 * channels). Where a block changes its shape the shortcut is a 1x1 convolution.
 */
export const residualCnn = architecture<ResidualCnnOptions>({
  name: 'residual-cnn',
  summary: 'residual blocks of two 3x3 convolutions (ResNet), for pictures; heavier than mobilenet',
  defaults: { width: 1, depth: 1, probabilities: false, cells: 1, channels: 16, stages: 3, blocks: 2 },
  reads: readsPicture,
  trunk(net, task, options) {
    let picture = stem(net, pictureOf(net, task), scaledChannels(options.channels, options.width));
    for (let stage = 1; stage <= options.stages; stage++) {
      const channels = scaledChannels(options.channels * 2 ** (stage - 1), options.width);
      for (let i = 1; i <= scaledCount(options.blocks, options.depth); i++) {
        const stride = stage > 1 && i === 1 ? 2 : 1;
        picture = residualBlock(net, `stage${stage}.block${i}`, picture, channels, stride);
      }
    }
    return pooled(net, picture, options.cells);
  },
});

function stem(net: Net, from: Picture, channels: number): Picture {
  const side = Math.max(from.height, from.width);
  const activation = 'Relu';
  if (side <= SMALL) return convNorm(net, 'stem', '', from, { channels, kernel: [3, 3], activation });
  const half = convNorm(net, 'stem', '', from, { channels, kernel: [7, 7], stride: [2, 2], activation });
  if (side <= LARGE) return half;
  const value = net.op('MaxPool', 'stem.pool', [half.value], {
    kernel_shape: attr.ints([3, 3]),
    pads: attr.ints([1, 1, 1, 1]),
    strides: attr.ints([2, 2]),
  });
  return { value, channels, height: Math.ceil(half.height / 2), width: Math.ceil(half.width / 2) };
}

function residualBlock(net: Net, name: string, from: Picture, channels: number, stride: number): Picture {
  const strides = [stride, stride] as const;
  const kernel = [3, 3] as const;
  const inner = convNorm(net, name, '1', from, { channels, kernel, stride: strides, activation: 'Relu' });
  const end = convNorm(net, name, '2', inner, { channels, kernel });
  const same = stride === 1 && channels === from.channels;
  const shortcut = same
    ? from
    : convNorm(net, `${name}.shortcut`, '', from, { channels, kernel: [1, 1], stride: strides });
  const sum = net.op('Add', `${name}.add`, [end.value, shortcut.value]);
  return { ...end, value: net.op('Relu', `${name}.relu2`, [sum]) };
}
