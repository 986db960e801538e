import { fail } from '../../base/index.ts';

/** What one request holds. */
export interface Holding {
  /** Holds so many bytes more, as they arrive. Throws OVERLOADED. */
  grow(bytes: number): void;
  /** Holds nothing any more. Safe to call twice. */
  release(): void;
}

/** Memory for what must be held whole before it can be used (JSON, strings, gRPC messages), of all requests together. */
export class HeldBytes {
  readonly most: number;
  #held = 0;

  constructor(most: number) {
    this.most = most;
  }

  get held(): number {
    return this.#held;
  }

  open(): Holding {
    let own = 0;
    return {
      grow: (bytes) => {
        if (this.#held + bytes > this.most) {
          throw fail('OVERLOADED', `requests under way hold ${this.#held} of ${this.most} bytes`, {
            retryAfterMs: 1000,
          });
        }
        this.#held += bytes;
        own += bytes;
      },
      release: () => {
        this.#held -= own;
        own = 0;
      },
    };
  }
}
