/** Events' worth of the slow estimate that the fast one starts from. */
const PRIOR = 4;

/**
 * How many samples arrive a ms, quick to see a burst: the count of a short window, which fades exponentially, drawn towards the rate of
 * a window forty times as long as far as the short one has seen too little to speak for itself.
 */
export class ArrivalRate {
  readonly #window: number;
  #fast = 0;
  #slow = 0;
  /** Samples of an arrival, on average. */
  #size = 1;
  #at = 0;
  #from: number | undefined;

  /** `window`: ms of the short window. */
  constructor(window: number) {
    this.#window = window;
  }

  observe(now: number, samples: number): void {
    this.#from ??= now;
    this.#fade(now);
    this.#fast += samples;
    this.#slow += samples;
    this.#size += (samples - this.#size) * 0.05;
  }

  /** Samples a ms. */
  rate(now: number): number {
    if (this.#from === undefined) return 0;
    this.#fade(now);
    const [short, long] = [this.#window, 40 * this.#window];
    const age = now - this.#from;
    const slow = this.#slow / (long * -Math.expm1(-Math.max(age, short) / long));
    const prior = PRIOR * this.#size;
    const seen = short * -Math.expm1(-Math.max(age, short) / short);
    return (this.#fast + prior) / (seen + prior / slow);
  }

  /** Samples of a request, on average. */
  get size(): number {
    return this.#size;
  }

  /** Arrivals a ms, whatever their samples. */
  arrivals(now: number): number {
    return this.rate(now) / this.#size;
  }

  #fade(now: number): void {
    const passed = now - this.#at;
    if (passed <= 0) return;
    this.#fast *= Math.exp(-passed / this.#window);
    this.#slow *= Math.exp(-passed / (40 * this.#window));
    this.#at = now;
  }
}
