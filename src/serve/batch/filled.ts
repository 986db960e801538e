/** Which bytes of an input have been written: what is not must never be computed on, for it is another client's. */
export class Filled {
  /** Starts and ends, apart and ascending. */
  #spans: [number, number][] = [];

  add(from: number, to: number): void {
    if (from >= to) return;
    const last = this.#spans.at(-1);
    // Nearly always: the next piece.
    if (last !== undefined && from >= last[0]) {
      if (from <= last[1]) last[1] = Math.max(last[1], to);
      else this.#spans.push([from, to]);
      return;
    }
    let [start, end] = [from, to];
    const apart: [number, number][] = [];
    for (const span of this.#spans) {
      if (span[1] < start || span[0] > end) apart.push(span);
      else [start, end] = [Math.min(start, span[0]), Math.max(end, span[1])];
    }
    this.#spans = [...apart, [start, end] as [number, number]].sort((a, b) => a[0] - b[0]);
  }

  /** Bytes from the start without a gap. */
  get whole(): number {
    const first = this.#spans[0];
    return first !== undefined && first[0] === 0 ? first[1] : 0;
  }
}
