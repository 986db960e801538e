import type { ModicumError } from '../base/index.ts';
import type { CallScope } from './call-scope.ts';
import type { RetryOptions } from './options.ts';

const LONGEST_WAIT_MS = 2000;

/**
 * How a try failed that may be made again. `refused`: the server has not begun with it. `broken`: the connection ended, and nobody knows
 * how far it came; that is harmless for what can be computed twice, and not for a step of a stream.
 */
export type Failed = 'refused' | 'broken';

/** An error whose call may be tried again, with the wait that the server asked for. */
export class Retryable extends Error {
  readonly error: ModicumError;
  readonly failed: Failed;
  readonly waitMs: number | undefined;

  constructor(error: ModicumError, failed: Failed, waitMs?: number) {
    super(error.message, { cause: error });
    this.error = error;
    this.failed = failed;
    this.waitMs = waitMs;
  }
}

/**
 * Tries until it works, with waits that double and are drawn at random between a half and one and a half of that, so that many
 * clients do not come back at once. A wait that would end behind the deadline is not begun: the failure is thrown at once.
 */
export async function withRetries<T>(
  attempt: () => Promise<T>,
  scope: CallScope,
  { retries = 3, backoffMs = 50 }: RetryOptions,
  repeatable: boolean,
): Promise<{ readonly value: T; readonly tries: number }> {
  for (let tries = 1; ; tries++) {
    try {
      scope.signal.throwIfAborted();
      return { value: await attempt(), tries };
    } catch (thrown) {
      if (scope.signal.aborted) throw scope.signal.reason;
      if (!(thrown instanceof Retryable)) throw thrown;
      const doubled = Math.min(LONGEST_WAIT_MS, backoffMs * 2 ** (tries - 1)) * (0.5 + Math.random());
      const wait = Math.max(doubled, thrown.waitMs ?? 0);
      const allowed = thrown.failed === 'refused' || repeatable;
      if (tries > retries || !allowed || wait >= scope.remainingMs()) throw thrown.error;
      await scope.sleep(wait);
    }
  }
}

/** The error itself, where nobody tries again. */
export function bare(thrown: unknown): unknown {
  return thrown instanceof Retryable ? thrown.error : thrown;
}
