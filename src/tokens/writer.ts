import { fail } from '../base/index.ts';
import type { TokenReader } from './reader.ts';
import { type Sampler, type SamplingOptions, sampler } from './sampling.ts';

/** What is written. */
export interface WriteOptions extends SamplingOptions {
  /** The most new tokens. Default: as many as the context has room for. */
  readonly newTokens?: number;
  /** Tokens that end a text; they are not part of it. */
  readonly stop?: readonly number[];
}

/** Some tokens more. */
export interface Chunk {
  /** New tokens of each sequence. */
  readonly texts: readonly (readonly number[])[];
  /** The exit that each step left at, from 0: one number for all sequences. */
  readonly exits: readonly number[];
  /** Nothing comes after this. */
  readonly done: boolean;
}

/**
 * Continues prompts, one run for a token of each: a sequence that has ended is carried along until the last one ends. Each has its
 * own stream of random numbers (seed, seed + 1, ...).
 */
export class Writer {
  readonly #reader: TokenReader;
  readonly #prompts: readonly (readonly number[])[];
  readonly #choosers: readonly Sampler[];
  readonly #stop: ReadonlySet<number>;
  readonly #ended: boolean[];
  readonly #most: number;
  #made = 0;
  /** What was written last, not yet read; undefined before the prompts are. */
  #last: readonly number[] | undefined;

  constructor(reader: TokenReader, prompts: readonly (readonly number[])[], options: WriteOptions = {}) {
    const { stop = [], seed = 0 } = options;
    this.#reader = reader;
    this.#prompts = prompts;
    this.#choosers = prompts.map((_, i) => sampler({ ...options, seed: seed + i }));
    this.#stop = new Set(stop);
    this.#ended = prompts.map(() => false);
    this.#most = roomFor(reader, Math.max(0, ...prompts.map(({ length }) => length)), options.newTokens);
  }

  /** Writes for about this time; at least one token. */
  async more(milliseconds: number): Promise<Chunk> {
    const until = performance.now() + milliseconds;
    const texts: number[][] = this.#prompts.map(() => []);
    const exits: number[] = [];
    while (!this.#done()) {
      const logits =
        this.#last === undefined
          ? await this.#reader.start(this.#prompts)
          : await this.#reader.next(this.#last);
      exits.push(this.#reader.exit);
      this.#last = logits.map((row, i) => this.#choose(row, i, texts[i]!));
      this.#made++;
      if (performance.now() >= until) break;
    }
    return { texts, exits, done: this.#done() };
  }

  #choose(logits: Float32Array, i: number, text: number[]): number {
    if (this.#ended[i]) return 0;
    const token = this.#choosers[i]!(logits);
    if (this.#stop.has(token)) this.#ended[i] = true;
    else text.push(token);
    return token;
  }

  #done(): boolean {
    return this.#made >= this.#most || this.#ended.every(Boolean);
  }
}

/** New tokens that may be made: the last one need not be read again. Throws USAGE_BAD_OPTION, CONTEXT_FULL. */
function roomFor({ context }: TokenReader, prompt: number, wanted: number | undefined): number {
  if (wanted !== undefined && !(Number.isInteger(wanted) && wanted >= 0)) {
    throw fail('USAGE_BAD_OPTION', `${wanted} new tokens; it is a whole number from 0`);
  }
  if (prompt > context) {
    throw fail('CONTEXT_FULL', `the prompt has ${prompt} tokens, the model room for ${context}`);
  }
  return Math.min(wanted ?? Number.POSITIVE_INFINITY, context - prompt + 1);
}
