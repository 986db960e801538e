import { architecture } from './architecture.ts';
import { convNorm, type PictureOptions, pooled } from './conv.ts';
import { pictureOf, readsPicture } from './inputs.ts';
import { scaledChannels, scaledCount } from './size.ts';

export interface DsCnnOptions extends PictureOptions {
  readonly channels: number;
  readonly blocks: number;
  /** Height and width of the first kernel; no larger than the picture. */
  readonly kernel: readonly [number, number];
  /** Of the first convolution. */
  readonly stride: readonly [number, number];
}

/**
 * Depthwise separable convolutions for spectrograms (Zhang et al. 2017, "Hello Edge"; the sizes are those of MLPerf
 * Tiny's keyword spotting): all channels alike, no stride after the first convolution.
 */
export const dsCnn = architecture<DsCnnOptions>({
  name: 'ds-cnn',
  summary: 'depthwise separable convolutions of one width, for spectrograms and other small pictures',
  defaults: {
    width: 1,
    depth: 1,
    probabilities: false,
    cells: 1,
    channels: 64,
    blocks: 4,
    kernel: [10, 4],
    stride: [2, 2],
  },
  reads: readsPicture,
  trunk(net, task, options) {
    const channels = scaledChannels(options.channels, options.width);
    const activation = 'Relu';
    let picture = pictureOf(net, task);
    picture = convNorm(net, 'stem', '', picture, {
      channels,
      kernel: [Math.min(options.kernel[0], picture.height), Math.min(options.kernel[1], picture.width)],
      stride: options.stride,
      activation,
    });
    for (let i = 1; i <= scaledCount(options.blocks, options.depth); i++) {
      const [depthwise, pointwise] = [`block${i}.depthwise`, `block${i}.pointwise`];
      picture = convNorm(net, depthwise, '', picture, {
        channels,
        kernel: [3, 3],
        depthwise: true,
        activation,
      });
      picture = convNorm(net, pointwise, '', picture, { channels, kernel: [1, 1], activation });
    }
    return pooled(net, picture, options.cells);
  },
});
