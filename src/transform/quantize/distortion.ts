import type { Tensor } from '../../graph/index.ts';

/** Adds up how far float32 outputs lie from their reference, batch by batch. */
export class Distortion {
  #signal = 0;
  #noise = 0;
  #divergence = 0;
  #rows = 0;
  #probabilities: boolean | undefined;

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
    // By the first reference: what sums up to 1 in every row has been through a softmax already.
    this.#probabilities ??= distributed(wanted, width);
    const logs = this.#probabilities ? logsOf : logSoftmax;
    for (let at = 0; at + width <= wanted.length; at += width) {
      this.#divergence += divergence(
        logs(wanted.subarray(at, at + width)),
        logs(got.subarray(at, at + width)),
      );
      this.#rows++;
    }
  }

  /** Signal to quantization noise in dB: Infinity where nothing differs, -Infinity where the other output is not finite. */
  get sqnr(): number {
    if (this.#noise === 0) return Number.POSITIVE_INFINITY;
    const ratio = this.#signal / this.#noise;
    return Number.isFinite(ratio) ? 10 * Math.log10(ratio) : Number.NEGATIVE_INFINITY;
  }

  /** Power of the noise over that of the signal: adds up over causes that are independent. Infinity where not finite. */
  get noise(): number {
    if (this.#noise === 0) return 0;
    const ratio = this.#noise / this.#signal;
    return Number.isFinite(ratio) ? ratio : Number.POSITIVE_INFINITY;
  }

  /** Whether there were rows of more than one element: something that can be a distribution. */
  get classes(): boolean {
    return this.#rows > 0;
  }

  /**
   * Mean Kullback-Leibler divergence (nats) of the distributions over the last axis: of the softmax, or of the values where
   * they are distributions themselves. 0 where that axis has one element, Infinity where the other output is not finite.
   */
  get kl(): number {
    if (this.#rows === 0) return 0;
    const mean = this.#divergence / this.#rows;
    return Number.isNaN(mean) ? Number.POSITIVE_INFINITY : Math.max(0, mean);
  }
}

/** Whether every row is a distribution: nothing negative, sum 1 within a thousandth. */
function distributed(values: Float32Array, width: number): boolean {
  for (let at = 0; at + width <= values.length; at += width) {
    let sum = 0;
    for (let i = at; i < at + width; i++) {
      if (!(values[i]! >= 0)) return false;
      sum += values[i]!;
    }
    if (Math.abs(sum - 1) > 1e-3) return false;
  }
  return values.length > 0;
}

/** Below it a probability is the rounding of a float. */
const TINY = 1e-12;

function logsOf(probabilities: Float32Array): Float64Array {
  return Float64Array.from(probabilities, (value) => Math.log(value < TINY ? TINY : value));
}

function divergence(p: Float64Array, q: Float64Array): number {
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
