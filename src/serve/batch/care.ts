/** Of those let in, who may come late for want of care: half of the 1 % that is promised. */
const TARGET = 0.005;
const STEP = 0.1;
const MOST = 1.5;

/**
 * How much of its margins admission keeps, learned from who was let in and came late: too much turns away who would have been in time.
 * Each that is late raises it by as much as 199 that are not lower it, so that it settles where one in 200 is late (quantile tracking).
 * Late for want of care are those that waited too long, not those whose own batch was hit by a stall: no care helps against that.
 */
export class Care {
  #care = 0.5;

  get share(): number {
    return this.#care;
  }

  late(): void {
    this.#care = Math.min(MOST, this.#care + STEP * (1 - TARGET));
  }

  inTime(): void {
    this.#care = Math.max(0, this.#care - STEP * TARGET);
  }
}
