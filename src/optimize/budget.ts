/** The time a search may take, and the list of what it therefore left out. */
export class Budget {
  readonly seconds: number;
  readonly #started = performance.now();
  readonly #skipped: { what: string; why: string }[] = [];

  constructor(seconds: number) {
    this.seconds = seconds;
  }

  get elapsed(): number {
    return (performance.now() - this.#started) / 1000;
  }

  /** Share of the budget that is spent, may pass 1. */
  get spent(): number {
    return this.elapsed / this.seconds;
  }

  /** True while less than this share of the budget is spent; else `what` is noted as not tried. */
  allows(what: string, share = 1): boolean {
    if (this.spent < share) return true;
    this.skip(what, `the budget of ${this.seconds} s was spent`);
    return false;
  }

  skip(what: string, why: string): void {
    if (!this.#skipped.some((row) => row.what === what)) this.#skipped.push({ what, why });
  }

  get skipped(): readonly { what: string; why: string }[] {
    return this.#skipped;
  }
}
