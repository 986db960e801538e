/** Bins of 1 % from a quarter to forty times. */
const LOW = Math.log(0.25);
const STEP = Math.log(1.01);
const BINS = Math.ceil((Math.log(40) - LOW) / STEP);
/** What is believed before anything was seen: ratio and weight. It fades as all else does. */
const BELIEVED = [
  [0.95, 5],
  [1, 8],
  [1.1, 5],
  [1.25, 2],
] as const;
/** An observation's weight is halved after about 350 others. */
const KEPT = 1 - 1 / 500;
/** Never fewer than this stand above the quantile, so that one stall alone does not set it. */
const ABOVE = 1.5;

/** How far observed times are from predicted ones, as ratios: a histogram that forgets, whatever the distribution. */
export class Ratios {
  readonly #bins = new Float64Array(BINS);
  /** Weight of the newest: it grows, instead of all others shrinking. */
  #newest = 1;
  #sum = 0;

  constructor() {
    for (const [ratio, weight] of BELIEVED) this.#put(ratio, weight);
  }

  add(ratio: number): void {
    this.#newest /= KEPT;
    this.#put(ratio, this.#newest);
    if (this.#newest < 1e100) return;
    for (let i = 0; i < BINS; i++) this.#bins[i]! /= this.#newest;
    this.#sum /= this.#newest;
    this.#newest = 1;
  }

  /** The ratio that a share `q` of what was seen stays below: the upper edge of its bin. */
  quantile(q: number): number {
    const above = Math.max((1 - q) * this.#sum, ABOVE * this.#newest);
    let seen = 0;
    for (let i = BINS - 1; i >= 0; i--) {
      seen += this.#bins[i]!;
      if (seen > above) return Math.exp(LOW + (i + 1) * STEP);
    }
    return 1;
  }

  #put(ratio: number, weight: number): void {
    const bin = Math.floor((Math.log(ratio) - LOW) / STEP);
    this.#bins[Math.min(BINS - 1, Math.max(0, bin))]! += weight;
    this.#sum += weight;
  }
}
