import type { Tensor } from '../../graph/index.ts';

/** Adds up how far float32 outputs lie from their reference, batch by batch. */
export class Distortion {
  #signal = 0;
  #noise = 0;
  #divergence = 0;
  #rows = 0;

  /** Takes an output of the reference and the same of the other model. */
  add(reference: Tensor, other: Tensor): void {
    const wanted = reference.as('float32');
    const got = other.as('float32');
    for (let i = 0; i < wanted.length; i++) {
      const off = wanted[i]! - got[i]!;
      this.#signal += wanted[i]! * wanted[i]!;
      this.#noise += off * off;
    }
    const width = reference.dims.at(-1) ?? 1;
    if (width < 2) return;
    for (let at = 0; at + width <= wanted.length; at += width) {
      this.#divergence += divergence(wanted.subarray(at, at + width), got.subarray(at, at + width));
      this.#rows++;
    }
  }

  /** Signal to quantization noise in dB: Infinity where nothing differs, -Infinity where the other output is not finite. */
  get sqnr(): number {
    if (this.#noise === 0) return Number.POSITIVE_INFINITY;
    const ratio = this.#signal / this.#noise;
    return Number.isFinite(ratio) ? 10 * Math.log10(ratio) : Number.NEGATIVE_INFINITY;
  }

  /** Mean Kullback-Leibler divergence (nats) of the softmax over the last axis; 0 where that has one element. */
  get kl(): number {
    return this.#rows > 0 ? this.#divergence / this.#rows : 0;
  }
}

function divergence(wanted: Float32Array, got: Float32Array): number {
  const [p, q] = [logSoftmax(wanted), logSoftmax(got)];
  let sum = 0;
  for (let i = 0; i < p.length; i++) sum += Math.exp(p[i]!) * (p[i]! - q[i]!);
  return sum;
}

function logSoftmax(logits: Float32Array): Float64Array {
  let largest = Number.NEGATIVE_INFINITY;
  for (const value of logits) if (value > largest) largest = value;
  let sum = 0;
  for (const value of logits) sum += Math.exp(value - largest);
  const offset = largest + Math.log(sum);
  return Float64Array.from(logits, (value) => value - offset);
}
