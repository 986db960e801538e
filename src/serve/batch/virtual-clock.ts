import type { Clock } from './clock.ts';

interface Due {
  readonly time: number;
  readonly order: number;
  call: (() => void) | undefined;
}

/** A clock that jumps from one call to the next. Calls at the same time come in the order in which they were asked for. */
export class VirtualClock implements Clock {
  readonly resolution: number;
  /** A heap: the next is first. */
  readonly #due: Due[] = [];
  #now = 0;
  #asked = 0;

  constructor(resolution = 0) {
    this.resolution = resolution;
  }

  now(): number {
    return this.#now;
  }

  at(time: number, call: () => void): () => void {
    const due: Due = { time: Math.max(time, this.#now), order: this.#asked++, call };
    this.#push(due);
    return () => {
      due.call = undefined;
    };
  }

  /** Lets time pass until nothing is due any more, or until a time (which it then is). */
  run(until = Number.POSITIVE_INFINITY): void {
    for (let next = this.#due[0]; next !== undefined && next.time <= until; next = this.#due[0]) {
      this.#pop();
      if (next.call === undefined) continue;
      this.#now = next.time;
      next.call();
    }
    if (until !== Number.POSITIVE_INFINITY) this.#now = Math.max(this.#now, until);
  }

  #push(due: Due): void {
    const heap = this.#due;
    let at = heap.push(due) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      if (before(heap[up]!, due)) break;
      heap[at] = heap[up]!;
      at = up;
    }
    heap[at] = due;
  }

  #pop(): void {
    const heap = this.#due;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= heap.length) break;
      if (down + 1 < heap.length && before(heap[down + 1]!, heap[down]!)) down++;
      if (before(last, heap[down]!)) break;
      heap[at] = heap[down]!;
      at = down;
    }
    heap[at] = last;
  }
}

const before = (a: Due, b: Due): boolean => a.time < b.time || (a.time === b.time && a.order < b.order);
