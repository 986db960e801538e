import { fail, ModicumError } from '../base/index.ts';
import type { Model } from '../graph/index.ts';
import {
  checkFeeds,
  checkOutputs,
  type Feeds,
  type Fetches,
  type Hosted,
  openHosted,
  type Port,
  packFeeds,
  type RunOptions,
  type SessionSettings,
  unpackFetches,
} from '../run/index.ts';
import type { OpenStage } from './open-stage.ts';
import type { StagedArgument, StagedCall, StagedReply } from './staged-program.ts';
import { type StagedOptions, type StagedSession, withExit } from './staged-session.ts';

const PROGRAM = new URL('./staged-program.js', import.meta.url);

/** One thread with all stages. */
interface Host {
  hosted: Promise<Hosted>;
  underWay: number;
  left: readonly number[];
  /** What threads that crashed here had answered. */
  before: readonly number[];
}

/**
 * Stages of ONNX Runtime, all in one worker thread for each instance: a call costs one message there and one back, however many stages
 * its samples go through. A thread that crashes is replaced at the next call.
 */
export class HostedStages implements StagedSession {
  readonly stages: readonly string[];
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly metadata: ReadonlyMap<string, string>;
  readonly #start: () => Promise<Hosted>;
  readonly #hosts: Host[];
  readonly #closing = new AbortController();
  #closed: Promise<void> | undefined;

  private constructor(
    stages: readonly Omit<OpenStage, 'session'>[],
    options: StagedOptions,
    settings: SessionSettings,
    start: () => Promise<Hosted>,
    hosts: readonly Hosted[],
  ) {
    this.stages = stages.map(({ id }) => id);
    this.inputs = options.inputs;
    this.outputs = withExit(options).outputs;
    const runtime = `${stages.length} stages, onnxruntime ${settings.provider}`;
    this.metadata = new Map([...(options.metadata ?? []), ['runtime', runtime]]);
    this.#start = start;
    const none = stages.map(() => 0);
    this.#hosts = hosts.map((hosted) => ({
      hosted: Promise.resolve(hosted),
      underWay: 0,
      left: none,
      before: none,
    }));
  }

  /** Opens all instances or none. Throws as `openSession` does, and STAGES_INVALID. */
  static async open(
    models: readonly (Model | string)[],
    stages: readonly Omit<OpenStage, 'session'>[],
    options: StagedOptions,
    settings: SessionSettings,
  ): Promise<HostedStages> {
    const argument: StagedArgument = { stages, options, settings };
    return HostedStages.over(() => openHosted(PROGRAM, models, argument), stages, options, settings);
  }

  /** Over threads that `start` opens, now and after a crash. */
  static async over(
    start: () => Promise<Hosted>,
    stages: readonly Omit<OpenStage, 'session'>[],
    options: StagedOptions,
    settings: SessionSettings,
  ): Promise<HostedStages> {
    const opened = await Promise.allSettled(Array.from({ length: settings.instances }, start));
    const hosts = opened.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const refused = opened.find((one) => one.status === 'rejected');
    if (refused === undefined) return new HostedStages(stages, options, settings, start, hosts);
    await Promise.all(hosts.map((host) => host.dispose()));
    throw refused.reason;
  }

  get left(): readonly number[] {
    return this.stages.map((_, i) =>
      this.#hosts.reduce((sum, { left, before }) => sum + left[i]! + before[i]!, 0),
    );
  }

  async run(feeds: Feeds, options: RunOptions = {}): Promise<Fetches> {
    if (this.#closed !== undefined) throw fail('SESSION_CLOSED', 'it was disposed of before this call');
    options.signal?.throwIfAborted();
    checkFeeds(this.inputs, feeds);
    const outputs = checkOutputs(this.outputs, options.outputs);
    const { packed, transfer } = packFeeds(feeds, options.transfer === true);
    const answer = this.#call({ feeds: packed, outputs }, transfer);
    return before(answer, [this.#closing.signal, ...(options.signal ? [options.signal] : [])]);
  }

  dispose(): Promise<void> {
    this.#closing.abort(fail('SESSION_CLOSED', 'it was disposed of while this call waited'));
    this.#closed ??= Promise.all(
      this.#hosts.map(async ({ hosted }) => (await hosted.catch(() => undefined))?.dispose()),
    ).then(() => {});
    return this.#closed;
  }

  /** Sends a call to the least busy thread. */
  async #call(call: StagedCall, transfer: readonly ArrayBuffer[]): Promise<Fetches> {
    const host = this.#hosts.reduce((best, next) => (next.underWay < best.underWay ? next : best));
    const own = host.hosted;
    host.underWay++;
    try {
      const { fetches, left } = (await (await own).call(call, transfer)) as StagedReply;
      if (host.hosted === own) host.left = left;
      return unpackFetches(fetches);
    } catch (cause) {
      const crashed = cause instanceof ModicumError && cause.code === 'WORKER_CRASHED';
      if (crashed && host.hosted === own && this.#closed === undefined) this.#replace(host, own);
      throw cause;
    } finally {
      host.underWay--;
    }
  }

  #replace(host: Host, gone: Promise<Hosted>): void {
    host.before = host.before.map((count, i) => count + host.left[i]!);
    host.left = host.left.map(() => 0);
    host.hosted = gone.then((hosted) => hosted.dispose()).then(this.#start);
    // Whoever calls next is told why it cannot be opened again.
    host.hosted.catch(() => {});
  }
}

/** The answer, or the reason of the first signal that fires before it. */
async function before<T>(answer: Promise<T>, signals: readonly AbortSignal[]): Promise<T> {
  const stop = AbortSignal.any([...signals]);
  return new Promise<T>((resolve, reject) => {
    const refuse = () => reject(stop.reason);
    stop.addEventListener('abort', refuse, { once: true });
    answer.then(resolve, reject).finally(() => stop.removeEventListener('abort', refuse));
  });
}
