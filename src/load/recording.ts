import { OUTCOMES, type Outcome } from './outcome.ts';

/** Every query of a run, by column. Times are ms since the start of the run. */
export interface Recording {
  /** When it was to be sent: latencies count from here. */
  readonly scheduled: Float64Array;
  /** When it was sent. */
  readonly sent: Float64Array;
  /** When its answer or refusal was there; NaN where there is none. */
  readonly done: Float64Array;
  /** Position in OUTCOMES. */
  readonly outcome: Uint8Array;
  /** Samples in it. */
  readonly size: Uint32Array;
  /** Number of its first sample. */
  readonly sample: Uint32Array;
}

/** Rows that grow; 33 bytes a query. */
export class Recorder {
  #length = 0;
  #columns: Recording = columns(1024);

  get length(): number {
    return this.#length;
  }

  /** Answers the number of the row. */
  add(scheduled: number, sent: number, size: number, sample: number): number {
    const row = this.#length++;
    if (row === this.#columns.scheduled.length) this.#grow();
    const into = this.#columns;
    into.scheduled[row] = scheduled;
    into.sent[row] = sent;
    into.done[row] = Number.NaN;
    into.outcome[row] = OUTCOMES.indexOf('cancelled');
    into.size[row] = size;
    into.sample[row] = sample;
    return row;
  }

  settle(row: number, done: number, outcome: Outcome): void {
    this.#columns.done[row] = done;
    this.#columns.outcome[row] = OUTCOMES.indexOf(outcome);
  }

  at(column: 'scheduled' | 'sent', row: number): number {
    return this.#columns[column][row]!;
  }

  recording(): Recording {
    const cut = <T extends Float64Array | Uint8Array | Uint32Array>(column: T) =>
      column.slice(0, this.#length) as T;
    const { scheduled, sent, done, outcome, size, sample } = this.#columns;
    return {
      scheduled: cut(scheduled),
      sent: cut(sent),
      done: cut(done),
      outcome: cut(outcome),
      size: cut(size),
      sample: cut(sample),
    };
  }

  #grow(): void {
    const old = this.#columns;
    this.#columns = columns(this.#length * 2);
    for (const name of Object.keys(old) as (keyof Recording)[]) this.#columns[name].set(old[name]);
  }
}

function columns(rows: number): Recording {
  return {
    scheduled: new Float64Array(rows),
    sent: new Float64Array(rows),
    done: new Float64Array(rows),
    outcome: new Uint8Array(rows),
    size: new Uint32Array(rows),
    sample: new Uint32Array(rows),
  };
}
