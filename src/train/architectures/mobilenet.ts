import { architecture } from './architecture.ts';
import { convNorm, type PictureOptions, pooled } from './conv.ts';
import { type Picture, pictureOf, readsPicture } from './inputs.ts';
import type { Net } from './net.ts';
import { scaledChannels, scaledCount } from './size.ts';

export interface MobilenetOptions extends PictureOptions {
  /** How many times wider a block is inside than at its ends (the first block is not). */
  readonly expansion: number;
  /** Channels of the last convolution. */
  readonly last: number;
}

/** Stages of MobileNetV2 (Sandler et al. 2018, table 2): channels, blocks, stride of the first. */
const STAGES = [
  [16, 1, 1],
  [24, 2, 2],
  [32, 3, 2],
  [64, 4, 2],
  [96, 3, 1],
  [160, 3, 2],
  [320, 1, 1],
] as const;

/** An axis as short as this is not halved any more, so that small pictures keep something to look at. */
const SHORTEST = 4;

/** Inverted residuals with linear ends (Sandler et al. 2018, MobileNetV2); ReLU6 is Clip. */
export const mobilenet = architecture<MobilenetOptions>({
  name: 'mobilenet',
  summary: 'inverted residuals as of MobileNetV2, for pictures; small ones are halved less often',
  defaults: { width: 1, depth: 1, probabilities: false, cells: 1, expansion: 6, last: 1280 },
  reads: readsPicture,
  trunk(net, task, options) {
    const activation = 'Relu6';
    const first = pictureOf(net, task);
    let picture = convNorm(net, 'stem', '', first, {
      channels: scaledChannels(32, options.width),
      kernel: [3, 3],
      stride: halving(first, 2),
      activation,
    });
    let block = 0;
    for (const [channels, count, stride] of STAGES) {
      for (let i = 0; i < scaledCount(count, options.depth); i++) {
        picture = invertedResidual(net, `block${++block}`, picture, {
          channels: scaledChannels(channels, options.width),
          stride: i === 0 ? stride : 1,
          expansion: block === 1 ? 1 : options.expansion,
        });
      }
    }
    const channels = scaledChannels(options.last, options.width);
    return pooled(
      net,
      convNorm(net, 'last', '', picture, { channels, kernel: [1, 1], activation }),
      options.cells,
    );
  },
});

function halving({ height, width }: Picture, stride: number): [number, number] {
  return [height > SHORTEST ? stride : 1, width > SHORTEST ? stride : 1];
}

interface Block {
  readonly channels: number;
  readonly stride: number;
  readonly expansion: number;
}

function invertedResidual(
  net: Net,
  name: string,
  from: Picture,
  { channels, stride, expansion }: Block,
): Picture {
  const activation = 'Relu6';
  const inner = from.channels * expansion;
  let picture = from;
  if (expansion > 1) {
    picture = convNorm(net, `${name}.expand`, '', picture, { channels: inner, kernel: [1, 1], activation });
  }
  picture = convNorm(net, `${name}.depthwise`, '', picture, {
    channels: inner,
    kernel: [3, 3],
    stride: halving(picture, stride),
    depthwise: true,
    activation,
  });
  picture = convNorm(net, `${name}.project`, '', picture, { channels, kernel: [1, 1] });
  const same = stride === 1 && channels === from.channels;
  return same ? { ...picture, value: net.op('Add', `${name}.add`, [picture.value, from.value]) } : picture;
}
