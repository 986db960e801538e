import { fail } from '../../base/index.ts';
import { Tensor } from '../../graph/index.ts';
import type { GrowingSession } from '../../run/index.ts';
import { feedsOf, lastRows, longestOf, type TokenPorts, type TokenReader } from '../reader.ts';
import { type TokenConfidence, tokenConfidence } from './confidence.ts';
import { COPIED, type Fill, HIDDEN, HIDDEN_IN } from './cut.ts';

/** When a token may leave. */
export interface EarlyRule {
  readonly confidence: TokenConfidence;
  /** A token leaves at an exit that is at least so sure of the next; above 1: never. */
  readonly threshold: number;
}

/** One piece of a decoder, open. */
export interface OpenStage {
  readonly session: GrowingSession;
  readonly form: TokenPorts;
}

/** Tokens that left before a stage and that it has still to read. */
interface Waiting {
  readonly token: number;
  readonly hidden: Float32Array;
}

/**
 * Reads one text with a decoder in pieces: after each piece a token leaves if its exit is sure enough of the next one. Later pieces
 * catch up when one does not: in one run with it, they read all that left before. Prompts are read by all pieces.
 */
export class EarlyReader implements TokenReader {
  readonly #stages: readonly OpenStage[];
  readonly #rule: EarlyRule;
  readonly #fill: Fill;
  readonly #dim: number;
  readonly #waiting: Waiting[][];
  #exit = 0;

  constructor(stages: readonly OpenStage[], rule: EarlyRule, fill: Fill, dim: number) {
    this.#stages = stages;
    this.#rule = rule;
    this.#fill = fill;
    this.#dim = dim;
    this.#waiting = stages.map(() => []);
  }

  get context(): number {
    return this.#stages[0]!.session.capacity;
  }

  get length(): number {
    return this.#stages[0]!.session.length;
  }

  get exit(): number {
    return this.#exit;
  }

  async start(prompts: readonly (readonly number[])[]): Promise<Float32Array[]> {
    longestOf(prompts);
    if (prompts.length !== 1) {
      throw fail(
        'USAGE_BAD_OPTION',
        `${prompts.length} prompts; with early exits one text is read at a time`,
      );
    }
    for (const { session } of this.#stages) session.reset(1);
    for (const waiting of this.#waiting) waiting.length = 0;
    return [await this.#read(prompts[0]!, 2)];
  }

  async next(tokens: readonly number[]): Promise<Float32Array[]> {
    if (tokens.length !== 1) throw fail('USAGE_BAD_OPTION', `${tokens.length} tokens for one sequence`);
    return [await this.#read(tokens, this.#rule.threshold)];
  }

  async dispose(): Promise<void> {
    await Promise.all(this.#stages.map(({ session }) => session.dispose()));
  }

  async #read(tokens: readonly number[], threshold: number): Promise<Float32Array> {
    this.#waiting[0] = tokens.map((token) => ({ token, hidden: NOTHING }));
    for (let i = 0; ; i++) {
      const last = i === this.#stages.length - 1;
      const logits = await this.#run(i, tokens.length, last);
      this.#exit = i;
      if (last || tokenConfidence(logits, this.#rule.confidence) >= threshold) return logits;
    }
  }

  /** Runs a stage over all that waits for it, of which the last `fresh` tokens are not copies. */
  async #run(i: number, fresh: number, last: boolean): Promise<Float32Array> {
    const { session, form } = this.#stages[i]!;
    const waiting = this.#waiting[i]!;
    this.#waiting[i] = [];
    const count = waiting.length;
    const feeds: Record<string, Tensor> = {
      ...feedsOf(form, [waiting.map(({ token }) => token)], session.length, [0]),
    };
    if (i > 0) {
      const hidden = new Float32Array(count * this.#dim);
      for (const [row, one] of waiting.entries()) hidden.set(one.hidden, row * this.#dim);
      feeds[HIDDEN_IN] = Tensor.float32([1, count, this.#dim], hidden);
      if (this.#fill === 'copy') {
        const copied = Uint8Array.from(waiting, (_, row) => (row < count - fresh ? 1 : 0));
        feeds[COPIED] = Tensor.of('bool', [1, count, 1], copied);
      }
    }
    const outputs = last ? ['logits'] : ['logits', HIDDEN];
    const found = await session.step(feeds, count, outputs);
    if (!last) {
      const rows = found[HIDDEN]!.as('float32');
      const next = this.#waiting[i + 1]!;
      for (const [row, { token }] of waiting.entries()) {
        next.push({ token, hidden: rows.subarray(row * this.#dim, (row + 1) * this.#dim) });
      }
    }
    return lastRows(found.logits!, 1)[0]!;
  }
}

const NOTHING = new Float32Array();
