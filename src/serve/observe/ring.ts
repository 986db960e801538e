import { Tally } from './tally.ts';

/** Seconds that are kept: a quarter of an hour. */
export const KEPT = 900;

/** The last quarter of an hour by seconds. Seconds without any event cost nothing. */
export class Ring {
  readonly #slots: (Tally | undefined)[] = new Array(KEPT);
  readonly #times = new Float64Array(KEPT).fill(-1);

  /** The tally of a second (since 1970), for writing. */
  at(second: number): Tally {
    const slot = second % KEPT;
    let tally = this.#slots[slot];
    if (tally === undefined) {
      tally = new Tally();
      this.#slots[slot] = tally;
    } else if (this.#times[slot] !== second) tally.clear();
    this.#times[slot] = second;
    return tally;
  }

  /** What happened from second `from` on, before second `to`. */
  between(from: number, to: number): Tally {
    const sum = new Tally();
    for (let second = from; second < to; second++) {
      const slot = second % KEPT;
      const tally = this.#slots[slot];
      if (tally !== undefined && this.#times[slot] === second) sum.merge(tally);
    }
    return sum;
  }
}
