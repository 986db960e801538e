import { cholesky, solveLower, solveUpper, type Triangle } from './cholesky.ts';
import type { Axis, Code } from './encoding.ts';

/** What the model learns from: one row a point. */
export interface Evidence {
  readonly codes: readonly Code[];
  /** What was seen, any real numbers. */
  readonly values: readonly number[];
  /** Standard deviation of each of them, in the same unit. */
  readonly noises: readonly number[];
  /** A cheap estimate of each point beforehand, on any scale that is roughly linear in the value. */
  readonly hints: readonly number[];
}

/** What the model expects of a point. */
export interface Belief {
  readonly mean: number;
  readonly deviation: number;
}

interface Shape {
  /** For each axis, the distance over which values are alike. */
  readonly lengths: readonly number[];
  /** Share of the sum of the axes; the rest is their product, which lets them depend on each other. */
  readonly additive: number;
  readonly scale: number;
  /** Weight of the hint as a linear term. */
  readonly hint: number;
  /** Variance that no dimension explains. */
  readonly jitter: number;
}

const LENGTHS = [0.2, 0.5, 1, 2, 5, 20] as const;
const CHOICES = {
  additive: [0.2, 0.5, 0.8, 0.95],
  scale: [0.5, 1, 2, 4],
  hint: [0, 0.3, 1, 3],
  jitter: [1e-4, 1e-3, 1e-2, 5e-2],
} as const satisfies Partial<Record<keyof Shape, readonly number[]>>;
/** Rounds over all choices while the shape is fitted. */
const SWEEPS = 2;
/** Lengths are believed to be about 1, within a factor of e to this power. */
const SPREAD = 1.5;

/**
 * A Gaussian process over points (Rasmussen and Williams 2006, algorithm 2.1). Its kernel adds a sum over the dimensions, a product
 * over them and a linear term in the hint; the shape is the one, of a small grid, under which the evidence is likeliest
 * (coordinate ascent), so that dimensions that do not matter stop counting. Deterministic.
 */
export class Surrogate {
  readonly #axes: readonly Axis[];
  readonly #codes: readonly Code[];
  readonly #hints: readonly number[];
  readonly #centre: number;
  readonly #unit: number;
  readonly #hintCentre: number;
  readonly #hintUnit: number;
  readonly #noises: readonly number[];
  readonly #targets: Float64Array;
  #shape: Shape;
  #tables: readonly Float64Array[];
  #triangle: Triangle | undefined;
  #weights: Float64Array = new Float64Array(0);

  /** `shape`: that of an earlier fit, to be kept; without one it is fitted. */
  constructor(axes: readonly Axis[], { codes, values, noises, hints }: Evidence, shape?: Shape) {
    this.#axes = axes;
    this.#codes = codes;
    [this.#centre, this.#unit] = spreadOf(values);
    [this.#hintCentre, this.#hintUnit] = spreadOf(hints);
    this.#hints = hints.map((hint) => this.#standardHint(hint));
    this.#noises = noises.map((noise) => noise / this.#unit);
    this.#targets = Float64Array.from(values, (value) => (value - this.#centre) / this.#unit);
    const flat = { lengths: axes.map(() => 1), additive: 0.8, scale: 1, hint: 0.3, jitter: 1e-3 };
    this.#shape = shape ?? flat;
    this.#tables = this.#shape.lengths.map((length, d) => tableOf(axes[d]!, length));
    if (shape === undefined) this.#fit();
    this.#settle();
  }

  get shape(): Shape {
    return this.#shape;
  }

  /** What is expected of a point. */
  predict(code: Code, hint: number): Belief {
    const triangle = this.#triangle;
    const standard = this.#standardHint(hint);
    const own = this.#shape.scale * (1 + this.#shape.hint * standard * standard);
    if (triangle === undefined) return { mean: this.#centre, deviation: this.#unit * Math.sqrt(own) };
    const k = Float64Array.from(this.#codes, (other, i) =>
      this.#kernel(code, other, standard, this.#hints[i]!),
    );
    let mean = 0;
    for (let i = 0; i < k.length; i++) mean += k[i]! * this.#weights[i]!;
    const v = solveLower(triangle, k);
    let explained = 0;
    for (const x of v) explained += x * x;
    return {
      mean: this.#centre + this.#unit * mean,
      deviation: this.#unit * Math.sqrt(Math.max(1e-12, own - explained)),
    };
  }

  #standardHint(hint: number): number {
    return (hint - this.#hintCentre) / this.#hintUnit;
  }

  #kernel(a: Code, b: Code, hintA: number, hintB: number): number {
    let [sum, product] = [0, 1];
    const axes = this.#axes;
    for (let d = 0; d < axes.length; d++) {
      const alike = this.#tables[d]![a[d]! * axes[d]!.size + b[d]!]!;
      sum += alike;
      product *= alike;
    }
    const { additive, scale, hint } = this.#shape;
    const near = axes.length === 0 ? 1 : additive * (sum / axes.length) + (1 - additive) * product;
    return scale * (near + hint * hintA * hintB);
  }

  /** Factors the covariance of the evidence; answers the logarithm of its likelihood, less a constant. */
  #settle(): number {
    const n = this.#codes.length;
    const covariance = new Float64Array(n * n);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j <= i; j++) {
        covariance[i * n + j] = this.#kernel(
          this.#codes[i]!,
          this.#codes[j]!,
          this.#hints[i]!,
          this.#hints[j]!,
        );
      }
      covariance[i * n + i]! += this.#shape.jitter + this.#noises[i]! ** 2 + 1e-9;
    }
    this.#triangle = n === 0 ? undefined : cholesky(covariance, n);
    if (this.#triangle === undefined) return Number.NEGATIVE_INFINITY;
    const half = solveLower(this.#triangle, this.#targets);
    this.#weights = solveUpper(this.#triangle, half);
    let likelihood = 0;
    for (let i = 0; i < n; i++) {
      likelihood -= half[i]! ** 2 / 2 + Math.log(this.#triangle.values[i * n + i]!);
    }
    return likelihood;
  }

  #fit(): void {
    if (this.#codes.length < 3) return;
    let best = this.#likelihood(this.#shape);
    const consider = (shape: Shape) => {
      const likelihood = this.#likelihood(shape);
      if (likelihood <= best + 1e-9) return;
      best = likelihood;
      kept = shape;
    };
    let kept = this.#shape;
    for (let sweep = 0; sweep < SWEEPS; sweep++) {
      for (const name of Object.keys(CHOICES) as (keyof typeof CHOICES)[]) {
        const before = kept;
        for (const value of CHOICES[name]) consider({ ...before, [name]: value });
      }
      for (let d = 0; d < this.#axes.length; d++) {
        const before = kept;
        for (const length of LENGTHS) consider({ ...before, lengths: before.lengths.with(d, length) });
      }
    }
    this.#use(kept);
  }

  #use(shape: Shape): void {
    this.#tables = shape.lengths.map((length, d) =>
      length === this.#shape.lengths[d] ? this.#tables[d]! : tableOf(this.#axes[d]!, length),
    );
    this.#shape = shape;
  }

  #likelihood(shape: Shape): number {
    this.#use(shape);
    let prior = 0;
    for (const length of shape.lengths) prior -= (Math.log(length) / SPREAD) ** 2 / 2;
    return this.#settle() + prior;
  }
}

function tableOf({ distances }: Axis, length: number): Float64Array {
  return distances.map((distance) => Math.exp(-distance / length));
}

/** Mean and standard deviation; 1 where all are alike. */
function spreadOf(values: readonly number[]): [number, number] {
  const mean = values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, values.length);
  return [mean, variance > 1e-18 ? Math.sqrt(variance) : 1];
}
