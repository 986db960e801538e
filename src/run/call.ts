import type { Request } from './messages.ts';
import type { Fetches } from './session.ts';

/** A call of `run` from its arrival to its answer. Settles once; what comes later is dropped. */
export class Call {
  readonly request: Extract<Request, { kind: 'run' }>;
  readonly transfer: readonly ArrayBuffer[];
  readonly answer: Promise<Fetches>;
  #resolve!: (fetches: Fetches) => void;
  #reject!: (cause: unknown) => void;
  readonly #signal: AbortSignal | undefined;
  readonly #aborted: (() => void) | undefined;

  /** @param onAbort told when the signal fires before the answer; the call is rejected with the signal's reason by then */
  constructor(
    request: Call['request'],
    transfer: readonly ArrayBuffer[],
    signal?: AbortSignal,
    onAbort?: (call: Call) => void,
  ) {
    this.request = request;
    this.transfer = transfer;
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    if (signal === undefined) return;
    this.#signal = signal;
    this.#aborted = () => {
      this.reject(signal.reason);
      onAbort?.(this);
    };
    signal.addEventListener('abort', this.#aborted, { once: true });
  }

  resolve(fetches: Fetches): void {
    this.#forget();
    this.#resolve(fetches);
  }

  reject(cause: unknown): void {
    this.#forget();
    this.#reject(cause);
  }

  #forget(): void {
    if (this.#aborted !== undefined) this.#signal?.removeEventListener('abort', this.#aborted);
  }
}
