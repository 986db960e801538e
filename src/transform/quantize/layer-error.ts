import { Tensor } from '../../graph/index.ts';
import { transpose } from './dynamic.ts';
import type { Gram } from './gram.ts';
import type { LinearLayer } from './linear-layers.ts';

/** Tells what rounding a layer does to its outputs on the activations that were seen. */
export class LayerError {
  readonly #gram: Gram;
  readonly #h: Tensor;
  readonly #weight: Tensor;
  readonly #signal: AbortSignal | undefined;

  /** `h`: X^T X [k, k] of the layer's activations. */
  constructor(gram: Gram, h: Float64Array, { tensor, transposed, k }: LinearLayer, signal?: AbortSignal) {
    this.#gram = gram;
    this.#h = Tensor.float32([k, k], Float32Array.from(h));
    this.#weight = transposed ? transpose(tensor) : tensor;
    this.#signal = signal;
  }

  /** Energy of the outputs: the sum of their squares. */
  energy(): Promise<number> {
    return this.#gram.energy(this.#h, this.#weight, this.#signal);
  }

  /** Energy of what the outputs lose with other weights [k, n]. */
  lost(other: Tensor): Promise<number> {
    const [weight, got] = [this.#weight.as('float32'), other.as('float32')];
    const off = Float32Array.from(weight, (value, i) => value - got[i]!);
    return this.#gram.energy(this.#h, Tensor.float32(this.#weight.dims, off), this.#signal);
  }
}

/** An energy lost as a signal-to-noise ratio in words. */
export function decibels(lost: number, energy: number): string {
  return lost > 0 ? `${(10 * Math.log10(energy / lost)).toFixed(1)} dB` : 'exact';
}
