/**
 * The time a search may take, and the list of what it therefore left out. Time is read off a clock that may stand still
 * between the steps of the search, so that a search that is taken up again decides as it did.
 */
export class Budget {
  readonly seconds: number;
  readonly #clock: () => number;
  readonly #skipped: { what: string; why: string }[] = [];

  /** `clock`: seconds since the search began. */
  constructor(seconds: number, clock: () => number) {
    this.seconds = seconds;
    this.#clock = clock;
  }

  get elapsed(): number {
    return this.#clock();
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
