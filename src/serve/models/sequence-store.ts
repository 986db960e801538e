import { fail, ModicumError, messageOf } from '../../base/index.ts';
import type { Feeds } from '../../run/index.ts';
import type { Sequence } from '../ports.ts';

export interface SequenceOptions {
  /** Sequences that are kept at once. Default 4096. */
  readonly most?: number;
  /** ms without a step after which a sequence is forgotten. Default 60 s. */
  readonly idleMs?: number;
  /** Steps of one sequence that may wait for each other. Default 64. */
  readonly mostWaiting?: number;
  /** What time it is, ms. */
  readonly now?: () => number;
}

/** Of those that were forgotten: so many are still known by name, to say what happened. */
const MOST_FORGOTTEN = 4096;

interface Kept {
  /** By the name of the input. Undefined before the first step is done. */
  state: Feeds | undefined;
  usedAt: number;
  /** Steps that have not ended yet. */
  waiting: number;
  /** Ends when the last of them does. */
  tail: Promise<void>;
  /** Rises when a step fails: those that were asked for before are not computed, as they would follow a gap. */
  failures: number;
  cause: unknown;
}

/** One step of a sequence: between `enter` and `done` or `failed`, which must be called. */
export interface Step {
  /** True when no other step is before this one. */
  readonly first: boolean;
  /** Resolves when it is this step's turn, with the state to begin from (undefined: the initial one). Throws where a step before it failed. */
  turn(): Promise<Feeds | undefined>;
  /** The state right now; for the `first`. */
  readonly state: Feeds | undefined;
  done(state: Feeds): void;
  failed(cause: unknown): void;
}

/**
 * The state of streams, beside the server and not in a worker: a worker that dies takes none with it, and steps of several streams can be
 * computed together. It outlives the version of the model: one that is reloaded goes on with it.
 */
export class SequenceStore {
  readonly #most: number;
  readonly #idleMs: number;
  readonly #mostWaiting: number;
  readonly #now: () => number;
  /** The longest unused first. */
  readonly #kept = new Map<string, Kept>();
  readonly #forgotten = new Set<string>();

  constructor({ most = 4096, idleMs = 60_000, mostWaiting = 64, now }: SequenceOptions = {}) {
    this.#most = most;
    this.#idleMs = idleMs;
    this.#mostWaiting = mostWaiting;
    this.#now = now ?? (() => performance.now());
  }

  get size(): number {
    this.#forget();
    return this.#kept.size;
  }

  /**
   * The next step of a sequence of this owner (others have their own by the same id). Throws REQUEST_INVALID (it is unknown, was forgotten,
   * has begun already), OVERLOADED.
   */
  enter({ id, start, end }: Sequence, owner = ''): Step {
    this.#forget();
    const key = `${owner}\0${id}`;
    const kept = start ? this.#begin(key, id) : this.#find(key, id);
    if (kept.waiting >= this.#mostWaiting) {
      throw fail('OVERLOADED', `${kept.waiting} steps of sequence "${id}" wait already`, { sequence: id });
    }
    this.#kept.delete(key);
    // After its end nobody may follow; what is under way holds on to it.
    if (!end) this.#kept.set(key, kept);
    kept.usedAt = this.#now();
    return this.#step(key, kept, { id, start, end });
  }

  #begin(key: string, id: string): Kept {
    if (this.#kept.has(key)) {
      throw fail('REQUEST_INVALID', `sequence "${id}" has begun already: end it first`, { sequence: id });
    }
    if (this.#kept.size >= this.#most) {
      throw fail('OVERLOADED', `${this.#most} sequences are kept already`, { retryAfterMs: this.#idleMs });
    }
    this.#forgotten.delete(key);
    const tail = Promise.resolve();
    return { state: undefined, usedAt: this.#now(), waiting: 0, tail, failures: 0, cause: undefined };
  }

  #find(key: string, id: string): Kept {
    const kept = this.#kept.get(key);
    if (kept !== undefined) return kept;
    const why = this.#forgotten.has(key)
      ? `was forgotten after ${this.#idleMs} ms without a step`
      : 'is not known: its first step must say that it starts';
    throw fail('REQUEST_INVALID', `sequence "${id}" ${why}`, { sequence: id });
  }

  #step(key: string, kept: Kept, { id, start, end }: Sequence): Step {
    const before = kept.tail;
    const { failures } = kept;
    let ended!: () => void;
    kept.tail = new Promise((resolve) => {
      ended = resolve;
    });
    const first = kept.waiting++ === 0;
    let over = false;
    const leave = () => {
      over = true;
      kept.waiting--;
      kept.usedAt = this.#now();
      ended();
    };
    return {
      first,
      state: kept.state,
      async turn() {
        await before;
        if (kept.failures !== failures) throw follows(id, kept.cause);
        return kept.state;
      },
      done: (state) => {
        if (over) return;
        kept.state = state;
        leave();
      },
      failed: (cause) => {
        if (over) return;
        kept.failures++;
        kept.cause = cause;
        // What never began is not there; what was to end and did not can be asked again.
        if (start && this.#kept.get(key) === kept) this.#kept.delete(key);
        else if (end && !start && !this.#kept.has(key)) this.#kept.set(key, kept);
        leave();
      },
    };
  }

  /** Lets go of those that nobody has used for long. */
  #forget(): void {
    const oldest = this.#now() - this.#idleMs;
    for (const [key, { usedAt, waiting }] of this.#kept) {
      if (waiting > 0) continue;
      if (usedAt > oldest) break;
      this.#kept.delete(key);
      this.#forgotten.add(key);
      if (this.#forgotten.size > MOST_FORGOTTEN) {
        for (const first of this.#forgotten) {
          this.#forgotten.delete(first);
          break;
        }
      }
    }
  }
}

function follows(id: string, cause: unknown): Error {
  const why = `a step of sequence "${id}" before this one failed, so this one would follow a gap: ${messageOf(cause)}`;
  return fail(cause instanceof ModicumError ? cause.code : 'RUNTIME_FAILED', why, { sequence: id }, cause);
}
