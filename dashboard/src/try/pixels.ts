import type { Layout } from './kinds.ts';

/** What the numbers of a pixel are. */
export const RANGES = {
  '0..255': '0 to 255',
  '0..1': '0 to 1',
  '-1..1': '−1 to 1',
  imagenet: 'ImageNet mean and deviation',
} as const;
export type Range = keyof typeof RANGES;

const MEAN = [0.485, 0.456, 0.406];
const DEVIATION = [0.229, 0.224, 0.225];

/** What the model says of its pixels, in any of the usual words; else bytes for bytes, and 0 to 1 for floats. */
export function rangeOf(text: string | undefined, datatype: string): Range {
  const known = (Object.keys(RANGES) as Range[]).find((range) => range === text?.trim().toLowerCase());
  if (known !== undefined) return known;
  return datatype.startsWith('FP') ? '0..1' : '0..255';
}

/** The numbers of a picture, in the order of the layout's axes. `shape` is whole. */
export function pixelsOf(
  image: { readonly data: Uint8ClampedArray; readonly width: number; readonly height: number },
  options: { layout: Layout; shape: readonly number[]; range: Range; inverted: boolean; datatype: string },
): Float32Array {
  const { layout, shape, range, inverted, datatype } = options;
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, dim) => product * dim, 1));
  const values = new Float32Array(shape.reduce((product, dim) => product * dim, 1));
  const { width, height, data } = image;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = 4 * (y * width + x);
      const to = y * strides[layout.row]! + x * strides[layout.column]!;
      for (let c = 0; c < layout.channels; c++) {
        const byte = layout.channels === 1 ? gray(data, from) : data[from + c]!;
        const shown = inverted && c < 3 ? 255 - byte : byte;
        const value = scaled(shown, range, layout.channels === 1 ? -1 : c);
        values[to + (layout.color < 0 ? 0 : c * strides[layout.color]!)] = datatype.startsWith('FP')
          ? value
          : Math.round(value);
      }
    }
  }
  return values;
}

function gray(data: Uint8ClampedArray, at: number): number {
  return 0.299 * data[at]! + 0.587 * data[at + 1]! + 0.114 * data[at + 2]!;
}

function scaled(byte: number, range: Range, color: number): number {
  switch (range) {
    case '0..255':
      return byte;
    case '0..1':
      return byte / 255;
    case '-1..1':
      return byte / 127.5 - 1;
    case 'imagenet': {
      const at = color < 0 || color > 2 ? 1 : color;
      return (byte / 255 - MEAN[at]!) / DEVIATION[at]!;
    }
  }
}

/** The box around all that is brighter than black; undefined where nothing is. */
export function inkBox(image: {
  readonly data: Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
}): { left: number; top: number; width: number; height: number; x: number; y: number } | undefined {
  const { data, width, height } = image;
  let [left, right, top, bottom] = [width, -1, height, -1];
  let [ink, sumX, sumY] = [0, 0, 0];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const value = data[4 * (y * width + x)]!;
      if (value < 16) continue;
      left = Math.min(left, x);
      right = Math.max(right, x);
      top = Math.min(top, y);
      bottom = Math.max(bottom, y);
      ink += value;
      sumX += value * (x + 0.5);
      sumY += value * (y + 0.5);
    }
  }
  if (right < 0) return undefined;
  return { left, top, width: right - left + 1, height: bottom - top + 1, x: sumX / ink, y: sumY / ink };
}
