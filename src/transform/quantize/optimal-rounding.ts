import type { Tensor } from '../../graph/index.ts';
import { type Fit, fitBlock } from './block-fit.ts';
import { type BlockedWeight, type BlockOptions, BlockPacker } from './blocks.ts';
import { inverseFactor } from './inverse-factor.ts';
import { ROUNDER } from './numbers.ts';

export interface RoundingOptions extends BlockOptions {
  /** Added to the diagonal, as a share of its mean. */
  readonly damping: number;
  /** Rounds the inputs of largest activations first, while there is most left to make up for them. */
  readonly actOrder: boolean;
}

export interface Rounded {
  readonly made: BlockedWeight;
  /** Sum over the outputs of d^T (H + damping) d, d what was lost of a column of the weight. */
  readonly loss: number;
}

/**
 * Rounds a weight ([K, N]; [N, K] if transposed) so that its products lose least on given activations (GPTQ: Frantar et al., "GPTQ:
 * Accurate Post-Training Quantization for Generative Pre-trained Transformers", 2022). One input after the other is rounded, and
 * what that does to the outputs is made up for, as far as they correlate, by the inputs not yet rounded: with
 * U^T U = inverse of H, w_k -= (w_j - q_j) / U_jj * U_jk. `gram` is X^T X [K, K] of the activations (the paper's H is twice that; the
 * factor cancels). Scales of a block are chosen when its first input comes up, of the weights as they are by then; with
 * `actOrder` blocks mix in time, so they are chosen of the original weights. Undefined where the matrix cannot be factored.
 */
export function roundOptimally(
  weight: Tensor,
  transposed: boolean,
  gram: Float64Array,
  options: RoundingOptions,
): Rounded | undefined {
  const [first, second] = weight.dims as [number, number];
  const [k, n] = transposed ? [second, first] : [first, second];
  const order = Uint32Array.from({ length: k }, (_, i) => i);
  if (options.actOrder) order.sort((a, b) => gram[b * k + b]! - gram[a * k + a]! || a - b);
  const u = inverseFactor(damped(gram, k, order, options.damping), k);
  if (u === undefined) return undefined;
  const values = weight.as('float32');
  const packer = new BlockPacker(k, n, options);
  let [loss, lost, total] = [0, 0, 0];
  for (let from = 0; from < n; from += TILE) {
    const width = Math.min(TILE, n - from);
    const at = (row: number, c: number) => (transposed ? (from + c) * k + row : row * n + from + c);
    const rest = new Float64Array(k * width);
    for (let j = 0; j < k; j++) {
      for (let c = 0; c < width; c++) rest[j * width + c] = values[at(order[j]!, c)]!;
    }
    const tile = new Tile(rest, k, width, options);
    loss += tile.round(u, order);
    tile.pack(packer, from);
    for (let row = 0; row < k; row++) {
      for (let c = 0; c < width; c++) {
        const value = values[at(row, c)]!;
        lost += (value - tile.real(row, c)) ** 2;
        total += value * value;
      }
    }
  }
  return { made: packer.finish(total > 0 ? lost / total : 0), loss };
}

/** Output columns that go through together: each is rounded on its own, and these share what is read of U. */
const TILE = 64;

function damped(gram: Float64Array, k: number, order: Uint32Array, damping: number): Float64Array {
  let trace = 0;
  for (let j = 0; j < k; j++) trace += gram[j * k + j]!;
  const matrix = new Float64Array(k * k);
  for (let i = 0; i < k; i++) {
    for (let j = 0; j < k; j++) matrix[i * k + j] = gram[order[i]! * k + order[j]!]!;
    matrix[i * k + i]! += (damping * trace) / k;
  }
  return matrix;
}

/** Some columns of a weight on their way. */
class Tile {
  /** [k, width], rows in the order of rounding: what is still to be rounded. */
  readonly #rest: Float64Array;
  readonly #k: number;
  readonly #width: number;
  readonly #options: RoundingOptions;
  /** [width, blocks * size], rows in their own order. */
  readonly #codes: Uint8Array;
  /** [width, blocks]. */
  readonly #scales: Float64Array;
  readonly #zeros: Float64Array;
  readonly #blocks: number;

  constructor(rest: Float64Array, k: number, width: number, options: RoundingOptions) {
    this.#rest = rest;
    this.#k = k;
    this.#width = width;
    this.#options = options;
    this.#blocks = Math.ceil(k / options.blockSize);
    this.#codes = new Uint8Array(width * this.#blocks * options.blockSize);
    this.#scales = new Float64Array(width * this.#blocks);
    this.#zeros = new Float64Array(width * this.#blocks);
  }

  /** Rounds everything; the sum of the squared errors, each over U_jj. */
  round(u: Float64Array, order: Uint32Array): number {
    const [k, width, blocks] = [this.#k, this.#width, this.#blocks];
    const { blockSize, bits, actOrder } = this.#options;
    const [rest, scales, zeros] = [this.#rest, this.#scales, this.#zeros];
    if (actOrder) {
      const places = new Uint32Array(k);
      for (let j = 0; j < k; j++) places[order[j]!] = j;
      for (let block = 0; block < blocks; block++) this.#choose(block, places);
    }
    const top = 2 ** bits - 1;
    const errors = new Float64Array(width);
    let loss = 0;
    for (let j = 0; j < k; j++) {
      const row = order[j]!;
      const block = Math.floor(row / blockSize);
      if (!actOrder && row % blockSize === 0) this.#choose(block, order);
      const inverse = 1 / u[j * k + j]!;
      for (let c = 0; c < width; c++) {
        const value = rest[j * width + c]!;
        const [scale, zero] = [scales[c * blocks + block]!, zeros[c * blocks + block]!];
        const whole = value / scale + ROUNDER - ROUNDER + zero;
        const q = whole < 0 ? 0 : whole > top ? top : whole;
        this.#codes[c * blocks * blockSize + row] = q;
        errors[c] = (value - (q - zero) * scale) * inverse;
        loss += errors[c]! * errors[c]!;
      }
      for (let later = j + 1; later < k; later++) {
        const share = u[j * k + later]!;
        if (share === 0) continue;
        for (let c = 0, to = later * width; c < width; c++, to++) rest[to]! -= share * errors[c]!;
      }
    }
    return loss;
  }

  /** Scales and zero points of a block; `places` says where each of its rows is. */
  #choose(block: number, places: Uint32Array): void {
    const { blockSize } = this.#options;
    const start = block * blockSize;
    const real = new Float64Array(Math.min(blockSize, this.#k - start));
    for (let c = 0; c < this.#width; c++) {
      for (let i = 0; i < real.length; i++) real[i] = this.#rest[places[start + i]! * this.#width + c]!;
      const fit = fitBlock(real, this.#options);
      this.#scales[c * this.#blocks + block] = fit.scale;
      this.#zeros[c * this.#blocks + block] = fit.zeroPoint;
    }
  }

  /** What a weight of the tile has become. */
  real(row: number, c: number): number {
    const { scale, zeroPoint } = this.#fit(c, Math.floor(row / this.#options.blockSize));
    return (this.#codes[c * this.#blocks * this.#options.blockSize + row]! - zeroPoint) * scale;
  }

  pack(packer: BlockPacker, from: number): void {
    const { blockSize } = this.#options;
    for (let c = 0; c < this.#width; c++) {
      for (let block = 0; block < this.#blocks; block++) {
        const at = (c * this.#blocks + block) * blockSize;
        packer.put(from + c, block, this.#fit(c, block), this.#codes.subarray(at, at + blockSize));
      }
    }
  }

  #fit(c: number, block: number): Fit {
    const at = c * this.#blocks + block;
    return { scale: this.#scales[at]!, zeroPoint: this.#zeros[at]! };
  }
}
