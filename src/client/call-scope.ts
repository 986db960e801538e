import { fail } from '../base/index.ts';

const DEFAULT_TIMEOUT_MS = 60_000;

/** What can end a call early: the signal of its caller, and its deadline. Must be closed, or timers and listeners stay. */
export class CallScope {
  readonly signal: AbortSignal;
  /** Whether somebody asked for the deadline: only then is a server told of it. */
  readonly asked: boolean;
  readonly #deadline: number;
  readonly #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #forget: () => void;

  constructor(signals: readonly (AbortSignal | undefined)[], timeoutMs: number | undefined) {
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
    const watched = signals.filter((signal) => signal !== undefined);
    const listeners = watched.map((signal) => {
      const abort = () => controller.abort(signal.reason);
      if (signal.aborted) abort();
      else signal.addEventListener('abort', abort, { once: true });
      return () => signal.removeEventListener('abort', abort);
    });
    this.#forget = () => {
      for (const forget of listeners) forget();
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
