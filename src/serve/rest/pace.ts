import { fail } from '../../base/index.ts';

/** Something that must go on. */
export interface Paced {
  /** ms on the clock of performance.now(). */
  readonly startedAt: number;
  /** Bytes so far. */
  readonly bytes: number;
  /** It was too slow. */
  late(error: Error): void;
}

export interface PaceLimits {
  readonly bodyMs: number;
  readonly bytesPerSecond: number;
  readonly answerMs: number;
}

const LOOK_EVERY = 250;
/** ms in which nothing is said of the rate. */
const GRACE = 5000;

/** Watches bodies that arrive and answers that leave, all by one timer that runs only while there are some. */
export class Pace {
  readonly #limits: PaceLimits;
  readonly #now: () => number;
  readonly #bodies = new Set<Paced>();
  readonly #answers = new Set<Paced>();
  #timer: NodeJS.Timeout | undefined;

  constructor(limits: PaceLimits, now: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#now = now;
  }

  /** A body that arrives; the answer ends the watch. */
  body(body: Paced): () => unknown {
    return this.#watch(this.#bodies, body);
  }

  /** An answer that the client reads. */
  answer(answer: Paced): () => unknown {
    return this.#watch(this.#answers, answer);
  }

  /** Looks at all of them now. */
  look(): void {
    const now = this.#now();
    const { bodyMs, bytesPerSecond, answerMs } = this.#limits;
    for (const body of this.#bodies) {
      const elapsed = now - body.startedAt;
      if (elapsed > bodyMs) {
        body.late(fail('REQUEST_TOO_SLOW', `its body took longer than ${bodyMs} ms`));
      } else if (elapsed > GRACE && body.bytes < ((elapsed - GRACE) / 1000) * bytesPerSecond) {
        body.late(fail('REQUEST_TOO_SLOW', `its body came with less than ${bytesPerSecond} bytes a second`));
      }
    }
    for (const answer of this.#answers) {
      if (now - answer.startedAt > answerMs) {
        answer.late(fail('REQUEST_TOO_SLOW', `the answer was not read within ${answerMs} ms`));
      }
    }
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #watch(set: Set<Paced>, one: Paced): () => unknown {
    set.add(one);
    // It ends by itself when it finds nothing: starting one for each request would cost more than looking.
    this.#timer ??= setInterval(() => {
      if (this.#bodies.size === 0 && this.#answers.size === 0) this.close();
      else this.look();
    }, LOOK_EVERY).unref();
    return () => set.delete(one);
  }
}
