import { fail } from '../base/index.ts';
import type { Model } from '../graph/index.ts';
import { checkFeeds, checkOutputs, packFeeds, unpackFetches } from './feeds.ts';
import type { GrownValue } from './messages.ts';
import { failure, refusal } from './ort-errors.ts';
import { portsOf } from './ports.ts';
import type { Feeds, Fetches, Port } from './session.ts';
import { resolveSettings, type SessionSettings } from './settings.ts';
import { skeletonOf } from './skeleton.ts';
import { holdSource } from './source.ts';
import { giveThread, RuntimeMessage, type Thread, takeThread } from './thread.ts';

export interface GrowingOptions {
  /** Input to the output that feeds it at the next step, longer along `axis` by what the step adds. */
  readonly carry: Readonly<Record<string, string>>;
  /** The axis along which the values grow; their other symbolic axis, if any, is the batch. */
  readonly axis: number;
  /** The most places that they get. Memory for them is taken at once, twice. */
  readonly capacity: number;
  readonly settings?: Partial<Omit<SessionSettings, 'instances'>>;
}

/**
 * A session that keeps growing values where it runs, as the keys and values of a language model: they never travel, and are
 * neither copied nor allocated between steps. Steps are computed in the order of the calls.
 */
export interface GrowingSession {
  /** What a step is fed: the inputs that are not kept. */
  readonly inputs: readonly Port[];
  /** What a step answers: the outputs that are not kept. */
  readonly outputs: readonly Port[];
  readonly capacity: number;
  /** Places that the values have, once all steps asked for are done. */
  readonly length: number;
  /** Empties the values, for a batch of this size. Needed before the first step. */
  reset(batch: number): Promise<void>;
  /**
   * A run that lengthens the values by `grows` places. Throws CONTEXT_FULL beyond the capacity, FEED_MISMATCH, RUNTIME_FAILED (the
   * values are empty then: reset), WORKER_CRASHED, SESSION_CLOSED.
   */
  step(feeds: Feeds, grows: number, options?: { readonly outputs?: readonly string[] }): Promise<Fetches>;
  /** Keeps the first places only. */
  truncate(length: number): Promise<void>;
  dispose(): Promise<void>;
}

/** Opens a model whose outputs `carry` feed its inputs again, each time longer. Throws as `openSession` does, and USAGE_BAD_OPTION. */
export async function openGrowing(model: Model | string, options: GrowingOptions): Promise<GrowingSession> {
  const settings = resolveSettings({ ...options.settings, instances: 1 });
  const known = typeof model === 'string' ? await skeletonOf(model) : model;
  const held = await holdSource(model);
  const thread = takeThread();
  try {
    const reply = await thread.ask<'open'>({ kind: 'open', source: held.source, settings, extras: {} });
    const { inputs, outputs } = portsOf(reply, known);
    const { carry, axis, capacity } = options;
    const values = Object.entries(carry).map(([input, output]) =>
      grownValue(inputs, outputs, input, output, axis),
    );
    await thread.ask<'grow'>({ kind: 'grow', values, capacity });
    const back = new Set(Object.values(carry));
    return new Growing(
      thread,
      inputs.filter(({ name }) => !(name in carry)),
      outputs.filter(({ name }) => !back.has(name)),
      capacity,
    );
  } catch (cause) {
    await thread.stop();
    throw cause instanceof RuntimeMessage ? refusal(cause.message, settings, cause) : cause;
  } finally {
    await held.remove();
  }
}

function grownValue(
  inputs: readonly Port[],
  outputs: readonly Port[],
  input: string,
  output: string,
  axis: number,
): GrownValue {
  const from = inputs.find(({ name }) => name === input);
  const to = outputs.find(({ name }) => name === output);
  if (from === undefined || to === undefined || from.shape === undefined || from.dtype !== to.dtype) {
    const why = `"${input}" and "${output}" are no input and output of one dtype and known rank to carry`;
    throw fail('USAGE_BAD_OPTION', why);
  }
  const dims = from.shape.map((dim, at) => (typeof dim === 'number' && at !== axis ? dim : null));
  return { input, output, dtype: from.dtype, dims, axis };
}

class Growing implements GrowingSession {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly capacity: number;
  readonly #thread: Thread;
  #length = 0;
  #closed = false;
  #started = false;

  constructor(thread: Thread, inputs: readonly Port[], outputs: readonly Port[], capacity: number) {
    this.#thread = thread;
    this.inputs = inputs;
    this.outputs = outputs;
    this.capacity = capacity;
  }

  get length(): number {
    return this.#length;
  }

  async reset(batch: number): Promise<void> {
    this.#mustBeOpen();
    this.#length = 0;
    this.#started = true;
    await this.#answer(this.#thread.ask<'reset'>({ kind: 'reset', batch }));
  }

  async step(
    feeds: Feeds,
    grows: number,
    options: { readonly outputs?: readonly string[] } = {},
  ): Promise<Fetches> {
    this.#mustBeOpen();
    if (!this.#started) throw fail('USAGE_BAD_OPTION', 'reset it for a batch before the first step');
    checkFeeds(this.inputs, feeds);
    const outputs = checkOutputs(this.outputs, options.outputs);
    if (this.#length + grows > this.capacity) {
      const why = `${this.#length} tokens and ${grows} more, room for ${this.capacity}`;
      throw fail('CONTEXT_FULL', why, { length: this.#length, grows, capacity: this.capacity });
    }
    const { packed, transfer } = packFeeds(feeds, false);
    this.#length += grows;
    try {
      const asked = this.#thread.ask<'advance'>({ kind: 'advance', feeds: packed, grows, outputs }, transfer);
      return unpackFetches(await this.#answer(asked));
    } catch (cause) {
      this.#started = false;
      throw cause;
    }
  }

  async truncate(length: number): Promise<void> {
    this.#mustBeOpen();
    if (!Number.isInteger(length) || length < 0 || length > this.#length) {
      throw fail('USAGE_BAD_OPTION', `there are ${this.#length} places, not ${length}`);
    }
    this.#length = length;
    await this.#answer(this.#thread.ask<'truncate'>({ kind: 'truncate', length }));
  }

  async dispose(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    try {
      await this.#thread.ask<'release'>({ kind: 'release' });
      giveThread(this.#thread);
    } catch {
      await this.#thread.stop();
    }
  }

  #mustBeOpen(): void {
    if (this.#closed) throw fail('SESSION_CLOSED', 'it was disposed of before this call');
  }

  async #answer<T>(asked: Promise<T>): Promise<T> {
    try {
      return await asked;
    } catch (cause) {
      throw cause instanceof RuntimeMessage ? failure(cause.message, cause) : cause;
    }
  }
}
