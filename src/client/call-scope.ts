import { fail } from '../base/index.ts';
import type { Closing } from './closing.ts';

const DEFAULT_TIMEOUT_MS = 60_000;

/** What can end a call early: the end of its client, the signal of its caller, and its deadline. Must be closed, or timers and listeners stay. */
export class CallScope {
  readonly signal: AbortSignal;
  /** Whether somebody asked for the deadline: only then is a server told of it. */
  readonly asked: boolean;
  readonly #deadline: number;
  readonly #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #forget: () => void;

  constructor(closing: Closing, caller: AbortSignal | undefined, timeoutMs: number | undefined) {
    const ms = timeoutMs ?? DEFAULT_TIMEOUT_MS;
    if (!(ms > 0)) throw fail('USAGE_BAD_OPTION', `timeoutMs is ${timeoutMs}; it must be more than 0`);
    const controller = new AbortController();
    this.signal = controller.signal;
    this.asked = timeoutMs !== undefined && Number.isFinite(timeoutMs);
    this.#deadline = performance.now() + ms;
    // Longer than timers can be: as good as none.
    const endless = ms > 2 ** 31 - 1;
    const missed = () => controller.abort(fail('DEADLINE_MISSED', `there was no answer within ${ms} ms`));
    this.#timer = endless ? undefined : setTimeout(missed, ms);
    const abort = () => controller.abort(caller?.reason);
    if (caller?.aborted) abort();
    else caller?.addEventListener('abort', abort, { once: true });
    const unwatch = closing.watch((reason) => controller.abort(reason));
    this.#forget = () => {
      unwatch();
      caller?.removeEventListener('abort', abort);
    };
  }

  /** ms until the deadline, at least 0. */
  remainingMs(): number {
    return Math.max(0, this.#deadline - performance.now());
  }

  /** Waits; rejects with the reason when the call ends earlier. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.signal.throwIfAborted();
      const done = () => {
        this.signal.removeEventListener('abort', aborted);
        resolve();
      };
      const timer = setTimeout(done, ms);
      const aborted = () => {
        clearTimeout(timer);
        reject(this.signal.reason);
      };
      this.signal.addEventListener('abort', aborted, { once: true });
    });
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#forget();
  }
}
