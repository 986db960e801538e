import type { InferenceClient } from '../src/client/index.ts';
import type { Tensor } from '../src/graph/index.ts';

/** A question and what the engine itself answers to it. */
export interface Question {
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly output: string;
  readonly answer: ArrayLike<number>;
}

/** What has become of the queries that were due within a time. */
export interface Phase {
  readonly due: number;
  readonly right: number;
  readonly wrong: number;
  /** By code; none: all were answered. */
  readonly failed: ReadonlyMap<string, number>;
  /** ms from the time a query was due to its answer, sorted. */
  readonly latencies: readonly number[];
}

interface Query {
  readonly due: number;
  readonly end: number;
  readonly outcome: 'right' | 'wrong' | (string & {});
}

/** Largest difference to the engine's own answer, relative to its largest value: batches of other sizes add in another order. */
const TOLERANCE = 1e-5;

/**
 * Asks a model at an even rate, whether it has answered before or not; every answer is compared. One that comes late is late by the time
 * at which it was due.
 */
export class SteadyLoad {
  readonly #client: InferenceClient;
  readonly #model: string;
  readonly #questions: readonly Question[];
  readonly #every: number;
  readonly #queries: Query[] = [];
  readonly #underWay = new Set<Promise<void>>();
  #running = false;
  #loop: Promise<void> = Promise.resolve();

  /** `rate`: queries per second. */
  constructor(client: InferenceClient, model: string, questions: readonly Question[], rate: number) {
    this.#client = client;
    this.#model = model;
    this.#questions = questions;
    this.#every = 1000 / rate;
  }

  start(): void {
    this.#running = true;
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#loop;
    await Promise.all(this.#underWay);
  }

  /** Does `work` under load, and tells of the queries that were due meanwhile, when they have ended. */
  async during(work: () => Promise<unknown>): Promise<Phase> {
    const from = performance.now();
    await work();
    const to = performance.now();
    await Promise.all(this.#underWay);
    const those = this.#queries.filter(({ due }) => due >= from && due < to);
    const count = (outcome: string) => those.filter((one) => one.outcome === outcome).length;
    const failed = new Map<string, number>();
    for (const { outcome } of those) {
      if (outcome !== 'right' && outcome !== 'wrong') failed.set(outcome, (failed.get(outcome) ?? 0) + 1);
    }
    const answered = those.filter(({ outcome }) => outcome === 'right');
    return {
      ...{ due: those.length, right: count('right'), wrong: count('wrong'), failed },
      latencies: answered.map(({ due, end }) => end - due).sort((a, b) => a - b),
    };
  }

  async #run(): Promise<void> {
    let due = performance.now();
    for (let i = 0; this.#running; i++) {
      due += this.#every;
      const wait = due - performance.now();
      if (wait > 0) await new Promise((done) => setTimeout(done, wait));
      const query = this.#ask(this.#questions[i % this.#questions.length]!, due);
      this.#underWay.add(query);
      void query.finally(() => this.#underWay.delete(query));
    }
  }

  async #ask({ inputs, output, answer }: Question, due: number): Promise<void> {
    let outcome: string;
    try {
      const { outputs } = await this.#client.infer(this.#model, inputs);
      outcome = near(outputs[output]?.numbers() ?? [], answer) ? 'right' : 'wrong';
    } catch (cause) {
      outcome = (cause as { code?: string }).code ?? String(cause);
    }
    this.#queries.push({ due, end: performance.now(), outcome });
  }
}

function near(got: ArrayLike<number>, wanted: ArrayLike<number>): boolean {
  if (got.length !== wanted.length) return false;
  const largest = Math.max(...Array.from(wanted, Math.abs));
  return Array.from(wanted).every((value, i) => Math.abs(got[i]! - value) <= TOLERANCE * largest);
}
