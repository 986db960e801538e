import { fail } from '../base/index.ts';
import type { GrowingSession, HostedProgram, HostedService, SessionSettings } from '../run/index.ts';
import type { CacheForm } from './cache-form.ts';
import type { Fill } from './early/cut.ts';
import { EarlyReader, type EarlyRule } from './early/reader.ts';
import { CachedReader, type TokenPorts, type TokenReader } from './reader.ts';
import { type Chunk, type WriteOptions, Writer } from './writer.ts';

/** What the thread of a decoder is opened with. */
export interface DecoderProgram {
  /** Of the model, or of each of its pieces. */
  readonly forms: readonly StageForm[];
  /** How tokens leave early, where the models are pieces. */
  readonly early: { readonly rule: EarlyRule; readonly fill: Fill; readonly dim: number } | undefined;
  readonly capacity: number;
  readonly settings: Partial<Omit<SessionSettings, 'instances'>> | undefined;
}

/** A model or piece of one: its ports for tokens, and its caches. */
export type StageForm = TokenPorts & Pick<CacheForm, 'carry' | 'axis' | 'logits'>;

type Prompts = readonly (readonly number[])[];

/** What it is asked. */
export type DecoderCall =
  | { readonly kind: 'start'; readonly prompts: Prompts }
  | { readonly kind: 'next'; readonly tokens: readonly number[] }
  | { readonly kind: 'write'; readonly prompts: Prompts; readonly options: WriteOptions }
  | { readonly kind: 'more'; readonly turn: number; readonly milliseconds: number }
  | { readonly kind: 'time'; readonly prompt: readonly number[]; readonly tokens: readonly number[] };

/** Milliseconds that a text of given tokens took. */
export interface TextTime {
  /** Reading the prompt, until the first logits. */
  readonly prefill: number;
  /** Reading each token after it. */
  readonly decode: Float64Array;
}

/** What answers each kind of call. */
export interface DecoderAnswers {
  start: Float32Array[];
  next: Float32Array[];
  /** The number that `more` names. */
  write: number;
  more: Chunk;
  time: TextTime;
}

/** The loop over tokens, in the thread of the runtime: only what is chosen travels. */
export const host: HostedProgram = async (opener, argument) => {
  const { forms, early, capacity, settings } = argument as DecoderProgram;
  const sessions: GrowingSession[] = [];
  try {
    for (const [i, { carry, axis }] of forms.entries()) {
      sessions.push(await opener.growing(i, { carry, axis, capacity, settings }));
    }
  } catch (cause) {
    await Promise.all(sessions.map((session) => session.dispose()));
    throw cause;
  }
  if (early === undefined) return new DecoderService(new CachedReader(forms[0]!, sessions[0]!));
  const stages = sessions.map((session, i) => ({ session, form: forms[i]! }));
  return new DecoderService(new EarlyReader(stages, early.rule, early.fill, early.dim));
};

class DecoderService implements HostedService {
  readonly #reader: TokenReader;
  #writer: Writer | undefined;
  /** How often a text was begun: who holds an older number has lost the cache to someone else. */
  #turn = 0;
  #before: Promise<unknown> = Promise.resolve();

  constructor(reader: TokenReader) {
    this.#reader = reader;
  }

  call(request: unknown): Promise<unknown> {
    const answered = this.#before.then(() => this.#answer(request as DecoderCall));
    this.#before = answered.catch(() => {});
    return answered;
  }

  async dispose(): Promise<void> {
    await this.#before;
    await this.#reader.dispose();
  }

  async #answer(call: DecoderCall): Promise<DecoderAnswers[DecoderCall['kind']]> {
    if (call.kind !== 'next' && call.kind !== 'more') {
      this.#turn++;
      this.#writer = undefined;
    }
    switch (call.kind) {
      case 'start':
        return own(await this.#reader.start(call.prompts));
      case 'next':
        return own(await this.#reader.next(call.tokens));
      case 'write':
        this.#writer = new Writer(this.#reader, call.prompts, call.options);
        return this.#turn;
      case 'more':
        if (this.#writer === undefined || call.turn !== this.#turn) {
          throw fail('USAGE_BAD_OPTION', 'the decoder began another text meanwhile');
        }
        return this.#writer.more(call.milliseconds);
      case 'time':
        return this.#time(call.prompt, call.tokens);
    }
  }

  async #time(prompt: readonly number[], tokens: readonly number[]): Promise<TextTime> {
    const began = performance.now();
    await this.#reader.start([prompt]);
    const prefill = performance.now() - began;
    const decode = new Float64Array(tokens.length);
    for (const [i, token] of tokens.entries()) {
      const at = performance.now();
      await this.#reader.next([token]);
      decode[i] = performance.now() - at;
    }
    return { prefill, decode };
  }
}

/** Copies of their own: a view would travel with all that it is cut from. */
function own(rows: readonly Float32Array[]): Float32Array[] {
  return rows.map((row) => row.slice());
}
