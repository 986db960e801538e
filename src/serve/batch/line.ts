import type { Entry, Work } from './work.ts';

/**
 * The work that waits, in order: within a priority the earliest deadline first. A step of priority is worth `aging` ms of deadline, so that
 * whoever has waited that much longer goes before the more urgent: nobody starves. The order of two never changes while they wait.
 */
export class Line<T extends Work> {
  readonly entries: Entry<T>[] = [];
  readonly #aging: number;
  readonly #byWork = new Map<T, Entry<T>>();
  samples = 0;
  bytes = 0;

  constructor(aging: number) {
    this.#aging = aging;
  }

  get(work: T): Entry<T> | undefined {
    return this.#byWork.get(work);
  }

  /** Places behind those of the same key. */
  add(work: T): Entry<T> {
    const key = work.deadline + work.priority * this.#aging;
    const entry: Entry<T> = { work, key, ready: false, fresh: true };
    this.entries.splice(this.#placeOf(key), 0, entry);
    this.#byWork.set(work, entry);
    this.samples += work.samples;
    this.bytes += work.bytes;
    return entry;
  }

  remove(work: T): Entry<T> | undefined {
    const entry = this.#byWork.get(work);
    if (entry === undefined) return undefined;
    let at = this.#placeOf(entry.key) - 1;
    while (this.entries[at] !== entry) at--;
    this.entries.splice(at, 1);
    this.#forget(entry);
    return entry;
  }

  /** All at once, which costs one pass. */
  removeAll(gone: ReadonlySet<Entry<T>>): void {
    if (gone.size === 0) return;
    let kept = 0;
    for (const entry of this.entries) {
      if (gone.has(entry)) this.#forget(entry);
      else this.entries[kept++] = entry;
    }
    this.entries.length = kept;
  }

  #forget({ work }: Entry<T>): void {
    this.#byWork.delete(work);
    this.samples -= work.samples;
    this.bytes -= work.bytes;
  }

  /** Where the first with a higher key stands. */
  #placeOf(key: number): number {
    let [low, high] = [0, this.entries.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.entries[middle]!.key <= key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
