/**
 * A token bucket: `rate` a second on average, up to `burst` at once. What is larger than the bucket passes when the bucket is full, and
 * is owed: nothing passes until the debt is paid, so that the average holds whatever the sizes.
 */
export class Bucket {
  readonly #rate: number;
  readonly #burst: number;
  #level: number;
  #at: number;

  /** `now` in ms; `burst` defaults to what comes in a second, at least 1. */
  constructor(rate: number, now: number, burst = Math.max(1, rate)) {
    this.#rate = rate;
    this.#burst = burst;
    this.#level = burst;
    this.#at = now;
  }

  /** Takes `amount`, or leaves all as it is: ms until it would pass, 0 where it was taken. */
  take(amount: number, now: number): number {
    this.#level = Math.min(this.#burst, this.#level + (Math.max(0, now - this.#at) * this.#rate) / 1000);
    this.#at = Math.max(now, this.#at);
    const needed = Math.min(amount, this.#burst);
    // A hair's breadth of rounding is no debt.
    if (this.#level + 1e-9 < needed) return ((needed - this.#level) / this.#rate) * 1000;
    this.#level -= amount;
    return 0;
  }
}
