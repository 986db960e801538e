import { fail } from '../../base/index.ts';
import { Tensor } from '../../graph/index.ts';
import { type Fit, type FitOptions, fitBlock, quantizeBlock } from './block-fit.ts';
import { packNibbles, unpackNibbles } from './numbers.ts';

/** Sizes of a block that the CPU kernel of MatMulNBits takes. */
export const BLOCK_SIZES = [16, 32, 64, 128, 256] as const;
export type BlockSize = (typeof BLOCK_SIZES)[number];

export interface BlockOptions extends FitOptions {
  readonly blockSize: BlockSize;
}

/** A weight as com.microsoft MatMulNBits reads it; w = (q - zero point) * scale, `blocks` = ceil(K / block). */
export interface BlockedWeight {
  readonly k: number;
  readonly n: number;
  /** uint8 [n, blocks, block * bits / 8], low bits first. */
  readonly packed: Tensor;
  /** float32 [n, blocks]. */
  readonly scales: Tensor;
  /** uint8 [n, ceil(blocks * bits / 8)]; absent where symmetric (then 2^(bits-1)). */
  readonly zeroPoints: Tensor | undefined;
  /** Sum of squares of what was lost over sum of squares: the damage. */
  readonly relativeError: number;
}

/** Takes the numbers of a weight [k, n] block by block, in any order, and packs them. */
export class BlockPacker {
  readonly blocks: number;
  readonly #k: number;
  readonly #n: number;
  readonly #options: BlockOptions;
  readonly #packed: Uint8Array;
  readonly #scales: Float32Array;
  readonly #zeros: Uint8Array;

  constructor(k: number, n: number, options: BlockOptions) {
    this.blocks = Math.ceil(k / options.blockSize);
    this.#k = k;
    this.#n = n;
    this.#options = options;
    this.#packed = new Uint8Array((n * this.blocks * options.blockSize * options.bits) / 8);
    this.#scales = new Float32Array(n * this.blocks);
    this.#zeros = new Uint8Array(n * this.blocks);
  }

  /** `codes` holds blockSize numbers; those past the end of the sum are overwritten. */
  put(column: number, block: number, { scale, zeroPoint }: Fit, codes: Uint8Array): void {
    const { bits, blockSize } = this.#options;
    const at = column * this.blocks + block;
    this.#scales[at] = scale;
    this.#zeros[at] = zeroPoint;
    codes.fill(zeroPoint, Math.min(blockSize, this.#k - block * blockSize));
    let to = (at * blockSize * bits) / 8;
    if (bits === 8) this.#packed.set(codes, to);
    else for (let i = 0; i < blockSize; i += 2) this.#packed[to++] = codes[i]! | (codes[i + 1]! << 4);
  }

  finish(relativeError: number): BlockedWeight {
    const { bits, blockSize, symmetric } = this.#options;
    const [k, n, blocks] = [this.#k, this.#n, this.blocks];
    return {
      k,
      n,
      packed: Tensor.of('uint8', [n, blocks, (blockSize * bits) / 8], this.#packed),
      scales: Tensor.float32([n, blocks], this.#scales),
      zeroPoints: symmetric ? undefined : packZeros(this.#zeros, n, blocks, bits),
      relativeError,
    };
  }
}

/**
 * Quantizes the constant of a MatMul ([K, N]; [N, K] if transposed) in blocks along K, one scale (and zero point) each.
 * Throws MODEL_INVALID where a weight is not finite.
 */
export function quantizeBlocks(weight: Tensor, transposed: boolean, options: BlockOptions): BlockedWeight {
  const [first, second] = weight.dims as [number, number];
  const [k, n] = transposed ? [second, first] : [first, second];
  const { bits, blockSize: block } = options;
  const values = weight.as('float32');
  const packer = new BlockPacker(k, n, options);
  const tile = new Float64Array(TILE * block);
  const q = new Uint8Array(block);
  let lost = 0;
  let total = 0;
  for (let b = 0; b < packer.blocks; b++) {
    const count = Math.min(block, k - b * block);
    for (let first = 0; first < n; first += TILE) {
      const columns = Math.min(TILE, n - first);
      total += gather(values, transposed, { k, n, row: b * block, count, first, columns, block }, tile);
      for (let c = 0; c < columns; c++) {
        const real = tile.subarray(c * block, c * block + count);
        const fitted = fitBlock(real, options);
        lost += quantizeBlock(real, fitted, bits, q);
        packer.put(first + c, b, fitted, q);
      }
    }
  }
  return packer.finish(total > 0 ? lost / total : 0);
}

/** The real numbers of a blocked weight, in the layout of the weight it was made of: [K, N], or [N, K] if transposed. */
export function blockedValues(made: BlockedWeight, transposed: boolean, bits: 4 | 8): Tensor {
  const { k, n, packed, scales, zeroPoints } = made;
  const blocks = scales.dims[1]!;
  const bytes = packed.as('uint8');
  const block = (packed.dims[2]! * 8) / bits;
  const codes = bits === 8 ? bytes : unpackNibbles(bytes, bytes.length * 2);
  const zeros = zeroPoints?.as('uint8');
  const steps = scales.as('float32');
  const values = new Float32Array(k * n);
  for (let column = 0; column < n; column++) {
    for (let row = 0; row < k; row++) {
      const b = Math.floor(row / block);
      const zero = zeros === undefined ? 2 ** (bits - 1) : zeroAt(zeros, column, b, blocks, bits);
      const code = codes[(column * blocks + b) * block + (row % block)]! - zero;
      values[transposed ? column * k + row : row * n + column] = code * steps[column * blocks + b]!;
    }
  }
  return Tensor.float32(transposed ? [n, k] : [k, n], values);
}

function zeroAt(zeros: Uint8Array, column: number, block: number, blocks: number, bits: number): number {
  if (bits === 8) return zeros[column * blocks + block]!;
  const byte = zeros[column * Math.ceil(blocks / 2) + (block >> 1)]!;
  return (byte >> ((block & 1) * 4)) & 15;
}

/** Columns gathered at a time: neighbours in a row share cache lines. */
const TILE = 64;

interface Corner {
  readonly k: number;
  readonly n: number;
  readonly row: number;
  readonly count: number;
  readonly first: number;
  readonly columns: number;
  readonly block: number;
}

/** Copies a block of rows of some columns, column by column; answers the sum of squares. Throws MODEL_INVALID. */
function gather(values: Float32Array, transposed: boolean, corner: Corner, into: Float64Array): number {
  const { k, n, row, count, first, columns, block } = corner;
  const [step, stride] = transposed ? [1, k] : [n, 1];
  let total = 0;
  for (let i = 0; i < count; i++) {
    let from = (row + i) * step + first * stride;
    for (let c = 0; c < columns; c++, from += stride) {
      const value = values[from]!;
      into[c * block + i] = value;
      total += value * value;
    }
  }
  if (!Number.isFinite(total)) {
    const bad = into.find((value) => !Number.isFinite(value));
    if (bad !== undefined) throw fail('MODEL_INVALID', `a weight is ${bad}`);
  }
  return total;
}

/** Zero points along the blocks; each row begins on a whole byte. */
function packZeros(zeros: Uint8Array, n: number, blocks: number, bits: number): Tensor {
  if (bits === 8) return Tensor.of('uint8', [n, blocks], zeros);
  const row = Math.ceil(blocks / 2);
  const packed = new Uint8Array(n * row);
  for (let column = 0; column < n; column++) {
    packed.set(packNibbles(zeros.subarray(column * blocks, (column + 1) * blocks)), column * row);
  }
  return Tensor.of('uint8', [n, row], packed);
}
