import { fail, ModicumError } from '../../base/index.ts';
import { checkFeeds, checkOutputs, type Feeds, type Port } from '../../run/index.ts';
import type { Computed, Engine, EngineRun } from '../ports.ts';
import type { ChildRun } from './child-process.ts';
import { Lane, type LaneEvents, type LaneState } from './lane.ts';
import type { ChildModel } from './messages.ts';
import { type ProcessOptions, type ProcessSettings, processSettings } from './process-options.ts';

/** What an operator sees of one instance. */
export interface WorkerState {
  readonly pid: number | undefined;
  readonly state: LaneState;
  /** Runs that lie there. */
  readonly inFlight: number;
  /** Resident bytes, when it last said so. */
  readonly rss: number;
  /** Since the engine was opened. */
  readonly restarts: number;
  readonly recycled: number;
  /** Why it is not ready. */
  readonly why?: string;
}

export interface ProcessEngineOptions extends ProcessOptions {
  /** See Observer.event. */
  readonly onEvent?: (kind: string, facts: Readonly<Record<string, unknown>>) => void;
}

/** A run from its arrival to its answer. */
interface Job {
  readonly feeds: Feeds;
  readonly outputs: readonly string[] | undefined;
  readonly resolve: (answer: Computed) => void;
  readonly reject: (cause: unknown) => void;
  /** Processes that died while they computed it. */
  deaths: number;
  /** Another run died beside it, so it was sent again. */
  again: boolean;
  /** Stops listening to its signal. */
  forget(): void;
}

/** A job at a process. */
interface Sent extends ChildRun {
  readonly job: Job;
}

/** Processes that may die while they compute one run, before it is taken for the reason. */
const MOST_DEATHS = 2;

/**
 * Computes in processes of their own, one for each instance: what happens there ends nothing else, and memory comes back when one ends.
 * A run whose process dies is computed once more; feeds must stay as they are until the answer. Runs that were not sent yet are dropped
 * when their signal fires.
 */
export class ProcessEngine implements Engine {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly metadata: ReadonlyMap<string, string>;
  readonly lanes: number;
  readonly #lanes: readonly Lane[];
  readonly #depth: number;
  readonly #queue: Job[] = [];
  readonly #underWay = new Set<Job>();
  #disposed: Promise<void> | undefined;

  private constructor(lanes: readonly Lane[], depth: number) {
    const { inputs, outputs, metadata } = lanes[0]!.opened;
    this.inputs = inputs;
    this.outputs = outputs;
    this.metadata = metadata;
    this.lanes = lanes.length;
    this.#lanes = lanes;
    this.#depth = depth;
  }

  /** Opens `instances` processes, all or none. Throws what `openSession` throws, SERVER_CONFIG_INVALID, WORKER_CRASHED. */
  static async open(
    model: ChildModel,
    instances: number,
    { onEvent, ...given }: ProcessEngineOptions = {},
  ): Promise<ProcessEngine> {
    const settings: ProcessSettings = processSettings(given);
    let engine: ProcessEngine | undefined;
    const events: LaneEvents = {
      changed: () => {
        if (engine !== undefined) engine.#pump();
      },
      returned: (runs, begun, why) => {
        const jobs = (runs as Sent[]).map(({ job }) => job);
        if (engine !== undefined) engine.#again(jobs, begun, why);
      },
      happened: (kind, facts) => onEvent?.(kind, facts),
    };
    const opened = await Promise.allSettled(
      Array.from({ length: instances }, () => Lane.open(model, settings, events)),
    );
    const lanes = opened.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const refused = opened.find((one) => one.status === 'rejected');
    if (refused !== undefined) {
      await Promise.all(lanes.map((lane) => lane.close()));
      throw refused.reason;
    }
    engine = new ProcessEngine(lanes, settings.depth);
    return engine;
  }

  async run(feeds: Feeds, { outputs, signal }: EngineRun = {}): Promise<Computed> {
    this.#mustBeOpen();
    signal?.throwIfAborted();
    checkFeeds(this.inputs, feeds);
    const wanted = outputs && checkOutputs(this.outputs, outputs);
    return new Promise<Computed>((resolve, reject) => {
      const drop = () => {
        const place = this.#queue.indexOf(job);
        if (place < 0) return;
        this.#queue.splice(place, 1);
        reject(signal?.reason);
      };
      const job: Job = {
        feeds,
        outputs: wanted,
        deaths: 0,
        again: false,
        resolve,
        reject,
        forget: () => signal?.removeEventListener('abort', drop),
      };
      signal?.addEventListener('abort', drop, { once: true });
      this.#queue.push(job);
      this.#pump();
    });
  }

  /** What its processes do. */
  workers(): WorkerState[] {
    return this.#lanes.map(({ pid, state, inFlight, rss, restarts, recycled, why }) => ({
      pid,
      state,
      inFlight,
      rss,
      restarts,
      recycled,
      ...(why && { why: why.message }),
    }));
  }

  /** Runs that wait for a process. */
  get queued(): number {
    return this.#queue.length;
  }

  dispose(): Promise<void> {
    this.#disposed ??= (async () => {
      const closed = () => fail('SESSION_CLOSED', 'it was disposed of while this run waited');
      for (const job of [...this.#queue.splice(0), ...this.#underWay]) {
        job.forget();
        job.reject(closed());
      }
      await Promise.all(this.#lanes.map((lane) => lane.close()));
    })();
    return this.#disposed;
  }

  #mustBeOpen(): void {
    if (this.#disposed !== undefined) throw fail('SESSION_CLOSED', 'it was disposed of before this run');
  }

  /** Sends what waits to the least busy processes. */
  #pump(): void {
    if (this.#disposed !== undefined) return;
    while (this.#queue.length > 0) {
      let best: Lane | undefined;
      for (const lane of this.#lanes) {
        if (lane.state === 'ready' && (best === undefined || lane.inFlight < best.inFlight)) best = lane;
      }
      if (best === undefined) {
        if (this.#lanes.every(({ state }) => state === 'given-up')) this.#giveUp();
        return;
      }
      if (!this.#hasRoom(best, this.#queue[0]!)) return;
      const job = this.#queue.shift()!;
      job.forget();
      this.#underWay.add(job);
      this.#send(best, job);
    }
  }

  /** A run that may kill its process lies there alone, so that no other dies with it. */
  #hasRoom(lane: Lane, job: Job): boolean {
    if (lane.inFlight === 0) return true;
    const alone = job.deaths > 0 || (lane.head as Sent).job.deaths > 0;
    return !alone && lane.inFlight < this.#depth;
  }

  #send(lane: Lane, job: Job): void {
    const sent: Sent = {
      feeds: job.feeds,
      outputs: job.outputs,
      job,
      settle: (answer) => {
        this.#underWay.delete(job);
        if (answer instanceof ModicumError) job.reject(answer);
        else {
          lane.succeeded();
          for (const each of this.#lanes) each.hope();
          job.resolve(job.again ? { ...answer, retried: true } : answer);
        }
        this.#pump();
      },
    };
    lane.run(sent);
  }

  /** Runs of a process that died go first; the one that it died of, if it did, not for ever. */
  #again(runs: readonly Job[], begun: boolean, why: ModicumError): void {
    const first = runs[0];
    for (const job of runs) this.#underWay.delete(job);
    if (first !== undefined && begun) first.deaths++;
    const kept = runs.filter((job) => job.deaths < MOST_DEATHS);
    for (const job of kept) job.again = true;
    this.#queue.unshift(...kept);
    if (first !== undefined && first.deaths >= MOST_DEATHS) {
      first.reject(
        fail('WORKER_CRASHED', `${MOST_DEATHS} processes died of this run, the last: ${why.message}`),
      );
    }
    this.#pump();
  }

  #giveUp(): void {
    const why = this.#lanes[0]?.why;
    for (const job of this.#queue.splice(0)) {
      job.forget();
      job.reject(
        fail(
          'WORKER_CRASHED',
          `all processes died too often; they are tried again later. The last: ${why?.message}`,
        ),
      );
    }
  }
}
