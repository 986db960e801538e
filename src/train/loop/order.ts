import { Random } from '../../base/index.ts';

/** Which samples each step sees: every epoch in an order of its own, which follows from the seed and the epoch alone. */
export class Order {
  readonly #size: number;
  readonly #batch: number;
  readonly #seed: number;
  #epoch = -1;
  #permutation = new Uint32Array(0);

  constructor(size: number, batch: number, seed: number) {
    this.#size = size;
    this.#batch = batch;
    this.#seed = seed;
  }

  /** Steps of an epoch; samples that fill no batch wait for the next one. */
  get steps(): number {
    return Math.max(1, Math.floor(this.#size / this.#batch));
  }

  epochOf(step: number): number {
    return Math.floor(step / this.steps);
  }

  /** The samples of a step, ascending. */
  indices(step: number): Uint32Array {
    const epoch = this.epochOf(step);
    if (epoch !== this.#epoch) {
      this.#permutation = Uint32Array.from({ length: this.#size }, (_, i) => i);
      new Random(this.#seed * 1_000_003 + epoch).shuffle(this.#permutation);
      this.#epoch = epoch;
    }
    const start = (step % this.steps) * this.#batch;
    return this.#permutation.slice(start, start + this.#batch).sort();
  }
}

/** What the mixing of samples draws for a step: partners and the share of one's own, from Beta(alpha, alpha). */
export function mixtureOf(
  seed: number,
  step: number,
  batch: number,
  alpha: number,
): { readonly partner: number[]; readonly share: number } {
  const random = new Random(seed * 1_000_003 + 500_000_009 + step);
  const partner = random.shuffle(Array.from({ length: batch }, (_, i) => i));
  const [a, b] = [gamma(random, alpha), gamma(random, alpha)];
  const share = a + b === 0 ? random.uniform() : a / (a + b);
  return { partner, share: Math.max(share, 1 - share) };
}

/** Gamma(shape, 1) by Marsaglia and Tsang 2000, with their boost for shapes below 1. */
function gamma(random: Random, shape: number): number {
  if (shape < 1) return gamma(random, shape + 1) * random.uniform() ** (1 / shape);
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = random.normal();
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - random.uniform()) < x * x * 0.5 + d - d * v + d * Math.log(v)) return d * v;
  }
}
