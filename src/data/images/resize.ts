import type { Picture } from './pixels.ts';

/** How each output position of one axis is made: `weights[i]` belong to the inputs from `first[i]` on. */
interface Taps {
  readonly first: Int32Array;
  readonly weights: readonly Float64Array[];
}

export interface ResizeOptions {
  readonly filter: 'bilinear' | 'nearest';
  readonly antialias: boolean;
}

/** Scales a picture; pixel centres lie at half numbers (as in OpenCV, Pillow, and PyTorch with align_corners=False). */
export function resize(picture: Picture, width: number, height: number, options: ResizeOptions): Picture {
  if (picture.width === width && picture.height === height) return picture;
  const across = taps(picture.width, width, options);
  const down = taps(picture.height, height, options);
  const { channels } = picture;
  const middle = new Float32Array(picture.height * width * channels);
  for (let y = 0; y < picture.height; y++) {
    const row = y * picture.width * channels;
    for (let x = 0; x < width; x++) {
      const weights = across.weights[x]!;
      const start = row + across.first[x]! * channels;
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let t = 0; t < weights.length; t++) sum += weights[t]! * picture.data[start + t * channels + c]!;
        middle[(y * width + x) * channels + c] = sum;
      }
    }
  }
  const stride = width * channels;
  const data = new Float32Array(height * stride);
  for (let y = 0; y < height; y++) {
    const weights = down.weights[y]!;
    const start = down.first[y]! * stride;
    for (let i = 0; i < stride; i++) {
      let sum = 0;
      for (let t = 0; t < weights.length; t++) sum += weights[t]! * middle[start + t * stride + i]!;
      data[y * stride + i] = sum;
    }
  }
  return { width, height, channels, data };
}

function taps(from: number, to: number, { filter, antialias }: ResizeOptions): Taps {
  const first = new Int32Array(to);
  const weights: Float64Array[] = [];
  const ratio = from / to;
  const reach = antialias ? Math.max(1, ratio) : 1;
  for (let i = 0; i < to; i++) {
    const centre = (i + 0.5) * ratio - 0.5;
    if (filter === 'nearest') {
      first[i] = Math.min(from - 1, Math.floor((i + 0.5) * ratio));
      weights.push(Float64Array.of(1));
      continue;
    }
    const low = Math.max(0, Math.ceil(centre - reach));
    const high = Math.min(from - 1, Math.floor(centre + reach));
    const list = Float64Array.from({ length: high - low + 1 }, (_, t) =>
      Math.max(0, 1 - Math.abs(low + t - centre) / reach),
    );
    const sum = list.reduce((a, b) => a + b, 0);
    first[i] = low;
    weights.push(list.map((weight) => weight / sum));
  }
  return { first, weights };
}

/** The middle of a picture; odd rests go to the right and below, as in torchvision's rounding. */
export function cropCentre(picture: Picture, width: number, height: number): Picture {
  const { channels } = picture;
  const left = Math.round((picture.width - width) / 2);
  const above = Math.round((picture.height - height) / 2);
  const data = new Float32Array(width * height * channels);
  for (let y = 0; y < height; y++) {
    const start = ((y + above) * picture.width + left) * channels;
    data.set(picture.data.subarray(start, start + width * channels), y * width * channels);
  }
  return { width, height, channels, data };
}
