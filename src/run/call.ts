import type { Request } from './messages.ts';
import type { Fetches } from './session.ts';

/** A call of `run` from its arrival to its answer. Settles once; what comes later is dropped. */
export class Call {
  readonly request: Extract<Request, { kind: 'run' }>;
  readonly transfer: readonly ArrayBuffer[];
  readonly answer: Promise<Fetches>;
  /** Called when it settles. */
  onEnd: (() => void) | undefined;
  #resolve!: (fetches: Fetches) => void;
  #reject!: (cause: unknown) => void;

  constructor(request: Call['request'], transfer: readonly ArrayBuffer[]) {
    this.request = request;
    this.transfer = transfer;
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  resolve(fetches: Fetches): void {
    this.onEnd?.();
    this.#resolve(fetches);
  }

  reject(cause: unknown): void {
    this.onEnd?.();
    this.#reject(cause);
  }
}

/** Calls by the signal that can drop them: one listener a signal, however many calls share it. */
export class Aborts {
  readonly #calls = new Map<AbortSignal, { readonly calls: Set<Call>; readonly listener: () => void }>();

  /** When the signal fires, the call is rejected with its reason, and `drop` told. */
  watch(call: Call, signal: AbortSignal, drop: (call: Call) => void): void {
    const { calls } = this.#calls.get(signal) ?? this.#listen(signal, drop);
    calls.add(call);
    call.onEnd = () => {
      calls.delete(call);
      if (calls.size === 0) this.#forget(signal);
    };
  }

  #listen(signal: AbortSignal, drop: (call: Call) => void): { readonly calls: Set<Call> } {
    const calls = new Set<Call>();
    const listener = () => {
      for (const call of [...calls]) {
        drop(call);
        call.reject(signal.reason);
      }
    };
    const entry = { calls, listener };
    this.#calls.set(signal, entry);
    signal.addEventListener('abort', listener, { once: true });
    return entry;
  }

  #forget(signal: AbortSignal): void {
    const entry = this.#calls.get(signal);
    if (entry !== undefined) signal.removeEventListener('abort', entry.listener);
    this.#calls.delete(signal);
  }
}
