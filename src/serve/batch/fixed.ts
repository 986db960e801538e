import type { Clock } from './clock.ts';
import type { Hooks } from './scheduler.ts';
import type { Refusal, Work } from './work.ts';

/** What other servers are set to: see bench/slo-batcher. */
export interface FixedOptions {
  readonly lanes: number;
  /** A batch starts when so many samples are there, */
  readonly maxBatch: number;
  /** or when its first has waited so many ms. */
  readonly delayMs: number;
  /** Requests that have waited so long are dropped instead of being computed (Triton's queue timeout with REJECT). Default: never. */
  readonly timeoutMs?: number;
  /** Requests beyond so many waiting samples are refused. Default: none. */
  readonly maxQueue?: number;
}

/** Batching by a fixed size and a fixed delay, first come first served: what ours is measured against. */
export class FixedScheduler<T extends Work> {
  readonly #options: FixedOptions;
  readonly #clock: Clock;
  readonly #hooks: Hooks<T>;
  #queue: T[] = [];
  readonly #busy: boolean[];
  #samples = 0;
  #wake: (() => void) | undefined;
  #wakeAt = Number.POSITIVE_INFINITY;

  constructor(options: FixedOptions, clock: Clock, hooks: Hooks<T>) {
    this.#options = options;
    this.#clock = clock;
    this.#hooks = hooks;
    this.#busy = Array.from({ length: options.lanes }, () => false);
  }

  offer(work: T): Refusal | undefined {
    if (this.#samples + work.samples > (this.#options.maxQueue ?? Number.POSITIVE_INFINITY)) {
      return { code: 'OVERLOADED', why: 'the queue is full', retryAfterMs: 1 };
    }
    this.#queue.push(work);
    this.#samples += work.samples;
    this.#wakeUp(this.#clock.now());
    return undefined;
  }

  done(lane: number): void {
    this.#busy[lane] = false;
    this.#wakeUp(this.#clock.now());
  }

  #wakeUp(time: number): void {
    if (time >= this.#wakeAt) return;
    this.#wake?.();
    this.#wakeAt = time;
    this.#wake = this.#clock.at(time, () => {
      this.#wakeAt = Number.POSITIVE_INFINITY;
      this.#step();
    });
  }

  #step(): void {
    const { maxBatch, delayMs, timeoutMs = Number.POSITIVE_INFINITY } = this.#options;
    const now = this.#clock.now();
    for (let lane = this.#busy.indexOf(false); lane >= 0; lane = this.#busy.indexOf(false)) {
      let late = 0;
      while (late < this.#queue.length && now - this.#queue[late]!.arrived > timeoutMs) late++;
      for (const work of this.#queue.splice(0, late)) {
        this.#samples -= work.samples;
        this.#hooks.missed(work);
      }
      const first = this.#queue[0];
      if (first === undefined) return;
      if (this.#samples < maxBatch && now < first.arrived + delayMs) {
        this.#wakeUp(first.arrived + delayMs);
        return;
      }
      let [count, samples] = [0, 0];
      while (
        count < this.#queue.length &&
        (count === 0 || samples + this.#queue[count]!.samples <= maxBatch)
      ) {
        samples += this.#queue[count++]!.samples;
      }
      const batch = this.#queue.splice(0, count);
      this.#samples -= samples;
      this.#busy[lane] = true;
      this.#hooks.run(batch, lane);
    }
  }
}
