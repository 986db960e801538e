import type { Clock } from './clock.ts';
import type { InFlight } from './in-flight.ts';
import type { Outcome } from './outcome.ts';
import type { Ran, RunHooks } from './plan.ts';

/** ms between two looks at what waits too long. */
const SWEEP_MS = 10;

export interface Loop {
  readonly warmUpMs: number;
  /** ms since the start that the load lasted, once all is sent. */
  endMs(): number;
  /** Sends what is to be sent now. */
  send(): void;
  /** Nothing more will be sent. */
  idle(): boolean;
  hopeless?(): boolean;
  /** `resume` sends what is to be sent then, and ends the run if that is nothing more. */
  onSettled?(outcome: Outcome, resume: () => void): void;
}

/** Runs a loop until all is sent and settled, or it is stopped or hopeless. */
export function runUntil(flight: InFlight, clock: Clock, hooks: RunHooks, loop: Loop): Promise<Ran> {
  return new Promise((resolve) => {
    let ended = false;
    const finish = (partial: boolean, hopeless: boolean) => {
      if (ended) return;
      ended = true;
      stopSweeping();
      hooks.signal?.removeEventListener('abort', stop);
      clock.alarm(Number.POSITIVE_INFINITY, () => {});
      const endMs = partial || hopeless ? flight.now() : loop.endMs();
      flight.cancel();
      const { warmUpMs } = loop;
      resolve({
        recording: flight.recorder.recording(),
        warmUpMs,
        endMs,
        partial,
        hopeless,
        said: flight.said,
      });
    };
    const stop = () => finish(true, false);
    const endIfDone = () => {
      if (loop.idle() && flight.count === 0) finish(false, false);
    };
    const resume = () => {
      if (ended) return;
      loop.send();
      endIfDone();
    };
    const stopSweeping = clock.every(SWEEP_MS, () => {
      flight.sweep();
      if (loop.hopeless?.()) finish(false, true);
      hooks.onProgress?.(flight.recorder.length);
    });
    flight.onSettled = (_, outcome) => {
      if (ended) return;
      loop.onSettled?.(outcome, resume);
      endIfDone();
    };
    if (hooks.signal?.aborted) return stop();
    hooks.signal?.addEventListener('abort', stop, { once: true });
    resume();
  });
}
