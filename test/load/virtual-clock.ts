import type { Clock } from '../../src/load/clock.ts';

interface Event {
  readonly due: number;
  readonly call: () => void;
}

/** Steps that promises may need until all that follows from an event has happened. */
const STEPS = 16;

/** Time that stands still until all that follows from the last event is done, then leaps to the next one. */
export class VirtualClock implements Clock {
  #now = 0;
  /** The last is due first. */
  #events: Event[] = [];
  #alarm: Event | undefined;

  now(): number {
    return this.#now;
  }

  alarm(due: number, ring: () => void): void {
    this.#drop(this.#alarm);
    this.#alarm = { due, call: ring };
    if (due < Number.POSITIVE_INFINITY) this.#insert(this.#alarm);
  }

  every(milliseconds: number, call: () => void): () => void {
    let event: Event;
    const again = (due: number) => {
      event = {
        due,
        call: () => {
          again(due + milliseconds);
          call();
        },
      };
      this.#insert(event);
    };
    again(this.#now + milliseconds);
    return () => this.#drop(event);
  }

  at(due: number): Promise<void> {
    return new Promise((resolve) => this.#insert({ due, call: resolve }));
  }

  /** Lets time pass until the promise is settled. */
  async run<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const mark = () => {
      settled = true;
    };
    promise.then(mark, mark);
    for (let events = 0; ; events++) {
      // An immediate comes after all promises, and costs ten times as much: what waits for the world outside is given one at times.
      if (events % 1000 === 0) await new Promise((resolve) => setImmediate(resolve));
      for (let step = 0; step < STEPS; step++) await undefined;
      if (settled) return promise;
      const event = this.#events.pop();
      if (event === undefined) {
        await new Promise((resolve) => setImmediate(resolve));
        if (this.#events.length === 0 && !settled) throw new Error('nothing will ever happen again');
        continue;
      }
      if (event === this.#alarm) this.#alarm = undefined;
      this.#now = Math.max(this.#now, event.due);
      event.call();
    }
  }

  #insert(event: Event): void {
    let [low, high] = [0, this.#events.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      // Of events due at once, the older comes first.
      if (this.#events[middle]!.due > event.due) low = middle + 1;
      else high = middle;
    }
    this.#events.splice(low, 0, event);
  }

  #drop(event: Event | undefined): void {
    const place = event === undefined ? -1 : this.#events.indexOf(event);
    if (place >= 0) this.#events.splice(place, 1);
  }
}
