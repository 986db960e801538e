import { fail, ModicumError } from '../base/index.ts';
import type { Model } from '../graph/index.ts';
import { Aborts, Call } from './call.ts';
import { checkFeeds, checkOutputs, packFeeds, unpackFetches } from './feeds.ts';
import { runLoop } from './loop.ts';
import type { OpenExtras, OpenReply } from './messages.ts';
import { metadataOf } from './metadata.ts';
import { failure, refusal } from './ort-errors.ts';
import type { LoopLimits, LoopResult, OrtSession } from './ort-session.ts';
import { portsOf } from './ports.ts';
import type { Feeds, Fetches, Port, RunOptions } from './session.ts';
import type { SessionSettings } from './settings.ts';
import type { HeldSource } from './source.ts';
import { giveThread, RuntimeMessage, type Thread, takeThread } from './thread.ts';

/** Calls that lie at a worker at once: the next one waits there already while one is computed. */
const DEPTH = 2;
/** Crashes in a row, without one good run, after which an instance is given up. */
const MOST_CRASHES = 3;

interface Slot {
  thread: Thread;
  state: 'ready' | 'healing' | 'dead';
  inFlight: number;
  crashes: number;
  cause: unknown;
}

/** The instances of one model, each in a worker thread, and the calls that wait for them. */
export class Pool implements OrtSession {
  readonly settings: SessionSettings;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly metadata: ReadonlyMap<string, string>;
  readonly #held: HeldSource;
  readonly #slots: Slot[];
  readonly #queue: Call[] = [];
  readonly #aborts = new Aborts();
  /** Calls at a worker; what comes back for one that is no longer here is dropped. */
  readonly #underWay = new Set<Call>();
  readonly #healing = new Set<Promise<void>>();
  #looping: Promise<unknown> = Promise.resolve();
  #paused = false;
  #stopLoop: (() => void) | undefined;
  #whenIdle: (() => void)[] = [];
  #disposed: Promise<void> | undefined;

  private constructor(
    held: HeldSource,
    settings: SessionSettings,
    threads: Thread[],
    reply: OpenReply,
    model: Model | undefined,
  ) {
    const { inputs, outputs } = portsOf(reply, model);
    this.settings = settings;
    this.inputs = inputs;
    this.outputs = outputs;
    this.metadata = metadataOf(model, settings);
    this.#held = held;
    this.#slots = threads.map((thread) => this.#slotOf(thread));
  }

  /** Opens an instance per thread; all or none. */
  static async open(
    held: HeldSource,
    model: Model | undefined,
    settings: SessionSettings,
    extras: OpenExtras = {},
  ): Promise<Pool> {
    const threads = Array.from({ length: settings.instances }, takeThread);
    try {
      const opened = await Promise.allSettled(
        threads.map((thread) => openIn(thread, held, settings, extras)),
      );
      const replies = opened.map((one) => {
        if (one.status === 'rejected') throw one.reason;
        return one.value;
      });
      return new Pool(held, settings, threads, replies[0]!, model);
    } catch (cause) {
      await Promise.all(threads.map(putBack));
      await held.remove();
      throw cause;
    }
  }

  async run(feeds: Feeds, options: RunOptions = {}): Promise<Fetches> {
    this.#mustBeOpen();
    options.signal?.throwIfAborted();
    checkFeeds(this.inputs, feeds);
    const outputs = checkOutputs(this.outputs, options.outputs);
    const { packed, transfer } = packFeeds(feeds, options.transfer === true);
    const call = new Call({ kind: 'run', feeds: packed, outputs }, transfer);
    if (options.signal !== undefined) this.#aborts.watch(call, options.signal, (late) => this.#drop(late));
    this.#queue.push(call);
    this.#pump();
    return call.answer;
  }

  loop(feeds: readonly Feeds[], limits: LoopLimits = {}): Promise<LoopResult> {
    const turn = this.#looping.then(() => this.#loop(feeds, limits));
    this.#looping = turn.catch(() => {});
    return turn;
  }

  dispose(): Promise<void> {
    this.#disposed ??= this.#dispose();
    return this.#disposed;
  }

  /** Ends ONNX Runtime's profiling in the instances, which writes its files. */
  async endProfile(): Promise<void> {
    await Promise.all(this.#slots.map((slot) => slot.thread.ask<'endProfile'>({ kind: 'endProfile' })));
  }

  /** The threads, for tests that kill one. */
  get threads(): readonly Thread[] {
    return this.#slots.map((slot) => slot.thread);
  }

  #mustBeOpen(): void {
    if (this.#disposed !== undefined) throw fail('SESSION_CLOSED', 'it was disposed of before this call');
  }

  #drop(call: Call): void {
    const place = this.#queue.indexOf(call);
    if (place >= 0) this.#queue.splice(place, 1);
  }

  /** Sends queued calls to the least busy instances. */
  #pump(): void {
    if (this.#paused) return;
    while (this.#queue.length > 0) {
      const ready = this.#slots.filter((slot) => slot.state === 'ready');
      if (ready.length === 0) {
        if (this.#slots.some((slot) => slot.state === 'healing')) return;
        const cause = this.#slots[0]?.cause;
        for (const call of this.#queue.splice(0)) call.reject(givenUp(cause));
        return;
      }
      const slot = ready.reduce((best, next) => (next.inFlight < best.inFlight ? next : best));
      if (slot.inFlight >= DEPTH) return;
      void this.#send(slot, this.#queue.shift()!);
    }
  }

  async #send(slot: Slot, call: Call): Promise<void> {
    slot.inFlight++;
    this.#underWay.add(call);
    try {
      const packed = await slot.thread.ask<'run'>(call.request, call.transfer);
      slot.crashes = 0;
      call.resolve(unpackFetches(packed));
    } catch (cause) {
      call.reject(cause instanceof RuntimeMessage ? failure(cause.message, cause) : cause);
    }
    this.#underWay.delete(call);
    slot.inFlight--;
    this.#pump();
    if (this.#idle) for (const wake of this.#whenIdle.splice(0)) wake();
  }

  get #idle(): boolean {
    return this.#slots.every((slot) => slot.inFlight === 0);
  }

  /** Resolves when no call lies at a worker and none is being healed. */
  async #quiet(): Promise<void> {
    while (!this.#idle || this.#healing.size > 0) {
      if (this.#idle) await Promise.allSettled(this.#healing);
      else await new Promise<void>((wake) => this.#whenIdle.push(wake));
    }
  }

  async #loop(feeds: readonly Feeds[], limits: LoopLimits): Promise<LoopResult> {
    this.#mustBeOpen();
    limits.signal?.throwIfAborted();
    for (const feed of feeds) checkFeeds(this.inputs, feed);
    const outputs = checkOutputs(this.outputs, limits.outputs);
    this.#paused = true;
    try {
      await this.#quiet();
      this.#mustBeOpen();
      limits.signal?.throwIfAborted();
      const slots = this.#slots.filter((slot) => slot.state === 'ready');
      if (slots.length === 0) throw givenUp(this.#slots[0]?.cause);
      const running = runLoop(
        slots.map((slot) => slot.thread),
        feeds,
        outputs,
        limits,
      );
      this.#stopLoop = running.stop;
      const result = await running.result;
      this.#mustBeOpen();
      return result;
    } finally {
      this.#stopLoop = undefined;
      this.#paused = false;
      this.#pump();
    }
  }

  #slotOf(thread: Thread): Slot {
    const slot: Slot = { thread, state: 'ready', inFlight: 0, crashes: 0, cause: undefined };
    this.#guard(slot);
    return slot;
  }

  #guard(slot: Slot): void {
    slot.thread.onCrash = (cause) => {
      slot.cause = cause;
      slot.crashes++;
      slot.state = 'healing';
      const healing = this.#heal(slot).finally(() => {
        this.#healing.delete(healing);
        this.#pump();
      });
      this.#healing.add(healing);
    };
  }

  /** Starts another worker with the same model. */
  async #heal(slot: Slot): Promise<void> {
    while (slot.crashes <= MOST_CRASHES && this.#disposed === undefined) {
      slot.thread = takeThread();
      try {
        await openIn(slot.thread, this.#held, this.settings, {});
        this.#guard(slot);
        slot.state = 'ready';
        return;
      } catch (cause) {
        slot.cause = cause;
        slot.crashes++;
        await putBack(slot.thread);
      }
    }
    slot.state = 'dead';
  }

  async #dispose(): Promise<void> {
    const closed = () => fail('SESSION_CLOSED', 'it was disposed of while this call waited');
    for (const call of this.#queue.splice(0)) call.reject(closed());
    for (const call of this.#underWay) call.reject(closed());
    this.#stopLoop?.();
    await this.#looping;
    await this.#quiet();
    await Promise.all(
      this.#slots.filter((slot) => slot.state === 'ready').map((slot) => putBack(slot.thread)),
    );
    await this.#held.remove();
  }
}

async function openIn(
  thread: Thread,
  held: HeldSource,
  settings: SessionSettings,
  extras: OpenExtras,
): Promise<OpenReply> {
  try {
    return await thread.ask<'open'>({ kind: 'open', source: held.source, settings, extras });
  } catch (cause) {
    throw cause instanceof RuntimeMessage ? refusal(cause.message, settings, cause) : cause;
  }
}

async function putBack(thread: Thread): Promise<void> {
  thread.onCrash = undefined;
  try {
    await thread.ask<'release'>({ kind: 'release' });
    giveThread(thread);
  } catch {
    await thread.stop();
  }
}

function givenUp(cause: unknown): ModicumError {
  const why = `it was started ${MOST_CRASHES + 1} times and died each time`;
  return cause instanceof ModicumError && cause.code !== 'WORKER_CRASHED'
    ? fail('WORKER_CRASHED', `it cannot be started again: ${cause.message}`, {}, cause)
    : fail('WORKER_CRASHED', why, {}, cause);
}
