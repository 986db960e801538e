import { convertIndexedToRgb, type DecodedPng, decode as decodePng } from 'fast-png';
import jpeg from 'jpeg-js';
import { fail } from '../../base/index.ts';

/** A decoded picture: rows from the top, values 0..255 (16-bit ones keep their fractions). */
export interface Picture {
  readonly width: number;
  readonly height: number;
  /** 1: grey, 3: red, green, blue. Alpha is dropped. */
  readonly channels: 1 | 3;
  /** [height, width, channels]. */
  readonly data: Float32Array;
}

export const IMAGE_EXTENSIONS: readonly string[] = ['.png', '.jpg', '.jpeg'];

/** Larger pictures are refused: a small file can claim a size that no memory holds. */
const MOST_PIXELS = 100_000_000;

/** Decodes PNG (grey, RGB, with alpha, 16 bits, palette) or JPEG, by its first bytes. */
export function decodePicture(bytes: Uint8Array, name: string): Picture {
  if (bytes[0] === 0x89 && bytes[1] === 0x50) return fromPng(bytes, name);
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return fromJpeg(bytes);
  throw fail('DATA_DAMAGED', `${name} is neither PNG nor JPEG`, { name });
}

function fromPng(bytes: Uint8Array, name: string): Picture {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 33) throw fail('DATA_DAMAGED', `${name} ends within its header`, { name });
  const pixels = view.getUint32(16) * view.getUint32(20);
  if (pixels > MOST_PIXELS) throw fail('DATA_DAMAGED', `${name} claims ${pixels} pixels`, { name });
  const png = decodePng(bytes, { checkCrc: true });
  const { width, height } = png;
  if (png.palette) {
    const channels = png.palette[0]?.length === 4 ? 4 : 3;
    return opaque(width, height, channels, convertIndexedToRgb(png), 1);
  }
  if (png.depth < 8) return { width, height, channels: 1, data: unpack(png) };
  return opaque(width, height, png.channels, png.data, png.depth === 16 ? 257 : 1);
}

/** Grey pixels of 1, 2 or 4 bits: packed, the first in the high bits, each row from a new byte. */
function unpack({ width, height, depth, data }: DecodedPng): Float32Array {
  const grey = new Float32Array(width * height);
  const most = 2 ** depth - 1;
  const stride = Math.ceil((width * depth) / 8);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const bit = x * depth;
      const packed = data[y * stride + (bit >> 3)]!;
      grey[y * width + x] = (((packed >> (8 - depth - (bit & 7))) & most) * 255) / most;
    }
  }
  return grey;
}

function fromJpeg(bytes: Uint8Array): Picture {
  const { width, height, data } = jpeg.decode(bytes, {
    useTArray: true,
    formatAsRGBA: false,
    tolerantDecoding: false,
    maxResolutionInMP: MOST_PIXELS / 1e6,
    maxMemoryUsageInMB: 2048,
  });
  return opaque(width, height, 3, data, 1);
}

/** Drops alpha, and divides. */
function opaque(
  width: number,
  height: number,
  channels: number,
  data: ArrayLike<number>,
  divisor: number,
): Picture {
  const kept = channels >= 3 ? 3 : 1;
  const pixels = width * height;
  if (data.length < pixels * channels || pixels === 0) throw new RangeError('too few pixels');
  const result = new Float32Array(pixels * kept);
  for (let p = 0, to = 0; p < pixels; p++) {
    for (let c = 0; c < kept; c++) result[to++] = data[p * channels + c]! / divisor;
  }
  return { width, height, channels: kept, data: result };
}
