import { fail } from '../base/index.ts';
import type { Model } from '../graph/index.ts';
import { checkFeeds, checkOutputs, packFeeds, unpackFetches } from './feeds.ts';
import { failure, refusal } from './ort-errors.ts';
import { portsOf } from './ports.ts';
import type { Feeds, Fetches, Port } from './session.ts';
import { resolveSettings, type SessionSettings } from './settings.ts';
import { holdSource } from './source.ts';
import { giveThread, RuntimeMessage, type Thread, takeThread } from './thread.ts';

export interface StatefulOptions {
  /** Input to the output that feeds it at the next step; both have the same dtype and static shape. */
  readonly carry: Readonly<Record<string, string>>;
  /** What the kept inputs hold at the first step. */
  readonly initial: Feeds;
  /** A scalar float output: a step at which it is not finite leaves what is kept as it was, and is the last. */
  readonly guard?: string;
  readonly settings?: Partial<Omit<SessionSettings, 'instances'>>;
}

/**
 * A session that keeps values from step to step where it runs: weights while they are trained, the state of a stream.
 * Steps are computed one after the other, in the order of the calls; several may wait.
 */
export interface StatefulSession {
  /** What a step is fed: the inputs that are not kept. */
  readonly inputs: readonly Port[];
  /** What a step answers: the outputs that are not kept. */
  readonly outputs: readonly Port[];
  /** Throws FEED_MISMATCH, RUNTIME_FAILED, WORKER_CRASHED (what was kept is lost), SESSION_CLOSED. */
  step(feeds: Feeds, options?: { readonly transfer?: boolean }): Promise<Fetches>;
  /** Copies of kept values, by the names of their inputs; all unless told. */
  kept(names?: readonly string[]): Promise<Fetches>;
  /** Begins again with what was kept at first: the next stream. */
  restart(): Promise<void>;
  dispose(): Promise<void>;
}

/** Opens a model that feeds some of its outputs back to itself. Throws as `openSession` does, and USAGE_BAD_OPTION. */
export async function openStateful(model: Model, options: StatefulOptions): Promise<StatefulSession> {
  const settings = resolveSettings({ ...options.settings, instances: 1 });
  const held = await holdSource(model);
  const thread = takeThread();
  try {
    const reply = await thread.ask<'open'>({ kind: 'open', source: held.source, settings, extras: {} });
    const { inputs, outputs } = portsOf(reply, model);
    const { carry, initial, guard } = options;
    checkCarry(carry, inputs, outputs);
    checkFeeds(
      inputs.filter(({ name }) => name in carry),
      initial,
    );
    const keep = async () => {
      const { packed, transfer } = packFeeds(initial, false);
      await thread.ask<'keep'>({ kind: 'keep', carry, initial: packed, guard }, transfer);
    };
    await keep();
    const back = new Set(Object.values(carry));
    return new Stateful(
      thread,
      inputs.filter(({ name }) => !(name in carry)),
      outputs.filter(({ name }) => !back.has(name)),
      Object.keys(carry),
      keep,
    );
  } catch (cause) {
    await thread.stop();
    throw cause instanceof RuntimeMessage ? refusal(cause.message, settings, cause) : cause;
  } finally {
    await held.remove();
  }
}

function checkCarry(
  carry: Readonly<Record<string, string>>,
  inputs: readonly Port[],
  outputs: readonly Port[],
): void {
  for (const [input, output] of Object.entries(carry)) {
    if (inputs.some(({ name }) => name === input) && outputs.some(({ name }) => name === output)) continue;
    throw fail('USAGE_BAD_OPTION', `the model has no input "${input}" or no output "${output}" to carry`);
  }
}

class Stateful implements StatefulSession {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly #thread: Thread;
  readonly #names: readonly string[];
  readonly #keep: () => Promise<void>;
  #closed = false;

  constructor(
    thread: Thread,
    inputs: readonly Port[],
    outputs: readonly Port[],
    names: readonly string[],
    keep: () => Promise<void>,
  ) {
    this.inputs = inputs;
    this.outputs = outputs;
    this.#thread = thread;
    this.#names = names;
    this.#keep = keep;
  }

  async step(feeds: Feeds, options: { readonly transfer?: boolean } = {}): Promise<Fetches> {
    this.#mustBeOpen();
    checkFeeds(this.inputs, feeds);
    const outputs = checkOutputs(this.outputs, undefined);
    const { packed, transfer } = packFeeds(feeds, options.transfer === true);
    return this.#answer(this.#thread.ask<'step'>({ kind: 'step', feeds: packed, outputs }, transfer));
  }

  async kept(names: readonly string[] = this.#names): Promise<Fetches> {
    this.#mustBeOpen();
    return this.#answer(this.#thread.ask<'kept'>({ kind: 'kept', names }));
  }

  async restart(): Promise<void> {
    this.#mustBeOpen();
    await this.#keep();
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

  async #answer(asked: Promise<Parameters<typeof unpackFetches>[0]>): Promise<Fetches> {
    try {
      return unpackFetches(await asked);
    } catch (cause) {
      throw cause instanceof RuntimeMessage ? failure(cause.message, cause) : cause;
    }
  }
}
