import { messageOf } from '../base/index.ts';
import type { Clock } from './clock.ts';
import { type Outcome, outcomeOf } from './outcome.ts';
import { Recorder } from './recording.ts';
import type { System } from './system.ts';

export interface InFlightOptions {
  /** ms at which a query is given up, after its scheduled time or after it was sent. */
  readonly timeoutMs: number;
  /** Default: scheduled. */
  readonly timeoutFrom?: 'scheduled' | 'sent';
  /** Queries outstanding at once, above which a query is recorded as not sent. */
  readonly most: number;
  /** Queries scheduled before this, ms since the start, are warm-up. */
  readonly warmUpMs: number;
  /** Latencies above this are counted while it runs, ms. */
  readonly boundMs?: number;
}

/** The queries under way, and the record of all. */
export class InFlight {
  readonly recorder = new Recorder();
  /** The first message of every kind of failure. */
  readonly said: Partial<Record<Outcome, string>> = {};
  /** Measured queries settled above the bound, or not answered. */
  over = 0;
  /** Measured queries that are settled. */
  settled = 0;
  /** When the run began, by the clock. */
  readonly start: number;
  onSettled: ((row: number, outcome: Outcome) => void) | undefined;
  readonly #system: System;
  readonly #clock: Clock;
  readonly #options: InFlightOptions;
  /** In the order of their scheduled times. */
  readonly #open = new Map<number, AbortController>();

  constructor(system: System, clock: Clock, options: InFlightOptions) {
    this.#system = system;
    this.#clock = clock;
    this.#options = options;
    this.start = clock.now();
  }

  get count(): number {
    return this.#open.size;
  }

  /** ms since the start. */
  now(): number {
    return this.#clock.now() - this.start;
  }

  /** Sends a query now that was scheduled for `scheduled`. */
  issue(scheduled: number, samples: readonly number[]): void {
    const sent = this.now();
    const row = this.recorder.add(scheduled, sent, samples.length, samples[0] ?? 0);
    if (this.#open.size >= this.#options.most) {
      this.#settle(row, 'not-sent', sent);
      return;
    }
    const control = new AbortController();
    this.#open.set(row, control);
    let answer: Promise<unknown>;
    try {
      answer = this.#system.answer(samples, control.signal);
    } catch (thrown) {
      answer = Promise.reject(thrown);
    }
    answer.then(
      () => this.#close(row, 'ok'),
      (thrown) => this.#close(row, outcomeOf(thrown), thrown),
    );
  }

  /** Gives up what has waited longer than the timeout. */
  sweep(): void {
    const now = this.now();
    const { timeoutMs, timeoutFrom = 'scheduled' } = this.#options;
    for (const [row, control] of this.#open) {
      if (now - this.recorder.at(timeoutFrom, row) < timeoutMs) return;
      this.#close(row, 'timeout');
      control.abort();
    }
  }

  /** Measured queries that are above the bound already: settled ones, and ones that still wait. */
  overSoFar(): number {
    const { boundMs = Number.POSITIVE_INFINITY, warmUpMs } = this.#options;
    const now = this.now();
    let waiting = 0;
    for (const row of this.#open.keys()) {
      const scheduled = this.recorder.at('scheduled', row);
      if (now - scheduled <= boundMs) break;
      if (scheduled >= warmUpMs) waiting++;
    }
    return this.over + waiting;
  }

  /** Gives up everything; what is open stays `cancelled` in the record. */
  cancel(): void {
    const open = [...this.#open.values()];
    this.#open.clear();
    for (const control of open) control.abort();
  }

  #close(row: number, outcome: Outcome, thrown?: unknown): void {
    if (!this.#open.delete(row)) return;
    if (thrown !== undefined) this.said[outcome] ??= messageOf(thrown).slice(0, 300);
    this.#settle(row, outcome, this.now());
  }

  #settle(row: number, outcome: Outcome, done: number): void {
    this.recorder.settle(row, done, outcome);
    const { boundMs = Number.POSITIVE_INFINITY, warmUpMs } = this.#options;
    const scheduled = this.recorder.at('scheduled', row);
    if (scheduled >= warmUpMs) {
      this.settled++;
      if (outcome !== 'ok' || done - scheduled > boundMs) this.over++;
    }
    this.onSettled?.(row, outcome);
  }
}
