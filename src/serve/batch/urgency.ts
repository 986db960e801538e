/** Arrivals that are remembered, about. */
const MEMORY = 500;

/** Which part of the samples that arrive is how urgent. */
export class Urgency {
  readonly #samples = new Map<number, number>();
  #all = 0;
  /** What an arrival weighs: it grows instead of all others fading. */
  #weight = 1;

  observe(priority: number, samples: number): void {
    this.#weight *= 1 + 1 / MEMORY;
    const weight = samples * this.#weight;
    this.#samples.set(priority, (this.#samples.get(priority) ?? 0) + weight);
    this.#all += weight;
    if (this.#weight < 1e100) return;
    for (const [one, seen] of this.#samples) this.#samples.set(one, seen / this.#weight);
    this.#all /= this.#weight;
    this.#weight = 1;
  }

  /** Of all samples, the part that is at least so urgent. */
  share(priority: number): number {
    let urgent = 0;
    for (const [one, seen] of this.#samples) if (one <= priority) urgent += seen;
    return this.#all > 0 ? urgent / this.#all : 1;
  }
}
