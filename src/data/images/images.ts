import { fail } from '../../base/index.ts';
import { Tensor } from '../../graph/index.ts';
import type { FileKind } from '../folders/dataset-of-files.ts';
import type { ImageOptions } from '../options.ts';
import { decodePicture, IMAGE_EXTENSIONS, type Picture } from './pixels.ts';
import { cropCentre, resize } from './resize.ts';

/** Files of pictures as samples of the declared size, layout and scale (float32). */
export function imageKind(options: ImageOptions): FileKind {
  const mean = perChannel(options.mean, options.channels, 'mean');
  const std = perChannel(options.std, options.channels, 'std');
  if (std.includes(0)) throw fail('USAGE_BAD_OPTION', 'preprocess.image.std must not be 0');
  return {
    extensions: IMAGE_EXTENSIONS,
    uneven: 'Declare preprocess.image.width and height, and all pictures are brought to them.',
    decode(bytes, name) {
      const fitted = fit(decodePicture(bytes, name), options);
      return pack(withChannels(fitted, options.channels), options, mean, std);
    },
  };
}

function perChannel(value: number | readonly number[], channels: number, name: string): number[] {
  if (typeof value === 'number') return Array(channels).fill(value);
  if (value.length === channels) return [...value];
  throw fail(
    'USAGE_BAD_OPTION',
    `preprocess.image.${name} has ${value.length} numbers for ${channels} channels`,
  );
}

function fit(picture: Picture, options: ImageOptions): Picture {
  const width = options.width ?? picture.width;
  const height = options.height ?? picture.height;
  if (options.fit === 'stretch') return resize(picture, width, height, options);
  const least = Math.max(width / picture.width, height / picture.height);
  const wanted = options.shorter ? options.shorter / Math.min(picture.width, picture.height) : least;
  const factor = Math.max(least, wanted);
  const scaled = [picture.width * factor, picture.height * factor].map(Math.round) as [number, number];
  return cropCentre(resize(picture, scaled[0], scaled[1], options), width, height);
}

/** Grey from colours by ITU-R BT.601, colours from grey by repeating. */
function withChannels(picture: Picture, channels: 1 | 3): Picture {
  if (picture.channels === channels) return picture;
  const { width, height, data } = picture;
  const pixels = width * height;
  const result = new Float32Array(pixels * channels);
  for (let p = 0; p < pixels; p++) {
    if (channels === 3) result.fill(data[p]!, p * 3, p * 3 + 3);
    else result[p] = 0.299 * data[p * 3]! + 0.587 * data[p * 3 + 1]! + 0.114 * data[p * 3 + 2]!;
  }
  return { width, height, channels, data: result };
}

function pack(
  { width, height, channels, data }: Picture,
  { layout, order, scale }: ImageOptions,
  mean: readonly number[],
  std: readonly number[],
): Tensor {
  const pixels = width * height;
  const values = new Float32Array(pixels * channels);
  for (let c = 0; c < channels; c++) {
    const source = order === 'bgr' ? channels - 1 - c : c;
    const shift = mean[c]!;
    const divisor = std[c]!;
    for (let p = 0; p < pixels; p++) {
      const to = layout === 'nchw' ? c * pixels + p : p * channels + c;
      values[to] = (data[p * channels + source]! * scale - shift) / divisor;
    }
  }
  const dims = layout === 'nchw' ? [channels, height, width] : [height, width, channels];
  return Tensor.float32(dims, values);
}
