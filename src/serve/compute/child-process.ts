import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { fail, type ModicumError, messageOf } from '../../base/index.ts';
import type { Feeds, Port } from '../../run/index.ts';
import type { Computed } from '../ports.ts';
import { type Frame, frameOf } from './frame.ts';
import { FrameReader } from './frame-reader.ts';
import { type ChildModel, type FromChild, packTensors, type ToChild, unpackTensors } from './messages.ts';

const PROGRAM = fileURLToPath(new URL('./child.js', import.meta.url));

/** A run on its way through a child. */
export interface ChildRun {
  readonly feeds: Feeds;
  readonly outputs?: readonly string[];
  /** Answered, also where the runtime refused: then with what it said. */
  settle(answer: Computed | ModicumError): void;
}

export interface ChildLimits {
  /** ms that opening may take. */
  readonly openMs: number;
  /** ms that a run may take from when its turn has come; longer is a crash. */
  readonly hungMs: number;
}

export interface Opened {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly metadata: ReadonlyMap<string, string>;
}

const LOST = 'it answered what nobody had asked';
/** Characters of what a child wrote to its standard error that are kept for the words of its crash. */
const KEPT_WORDS = 2000;

/**
 * A process with a model open in it, seen from the server. Runs are answered in the order in which they were sent. It does not keep
 * the server's process alive while it is idle, and ends by itself when that is gone.
 */
export class Child {
  /** Called once when it is gone without having been asked: why, and the runs that it leaves, the one that was computed first. */
  onCrash: ((why: ModicumError, runs: ChildRun[]) => void) | undefined;
  /** Resident bytes, when it last said so. */
  rss = 0;
  readonly #process: ChildProcess;
  readonly #pipe: Socket;
  readonly #handles: readonly { ref(): void; unref(): void }[];
  readonly #limits: ChildLimits;
  readonly #runs: ChildRun[] = [];
  readonly #gone: Promise<void>;
  #opening: { resolve(opened: Opened): void; reject(cause: unknown): void } | undefined;
  /** Number of the run that is answered next. */
  #next = 0;
  #timer: NodeJS.Timeout | undefined;
  #words = '';
  /** Why it is killed, where it is. */
  #verdict: ModicumError | undefined;
  #ended = false;

  private constructor(limits: ChildLimits) {
    this.#limits = limits;
    this.#process = spawn(process.execPath, [PROGRAM], {
      stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'],
      env: { ...process.env, ORT_DISABLE_TELEMETRY: process.env.ORT_DISABLE_TELEMETRY ?? '1' },
    });
    this.#pipe = this.#process.stdio[3] as Socket;
    const reader = new FrameReader((frame) => this.#take(frame));
    this.#pipe.on('data', (chunk: Buffer) => {
      if (this.#verdict !== undefined) return;
      try {
        reader.push(chunk);
      } catch (cause) {
        this.#condemn(fail('WORKER_CRASHED', messageOf(cause), {}, cause));
      }
    });
    const watch = this.#process.stdio[4] as Socket;
    const errors = this.#process.stderr as Socket;
    errors.setEncoding('utf8').on('data', (text: string) => {
      this.#words = (this.#words + text).slice(-KEPT_WORDS);
    });
    // Nothing is ever said through it; but whoever does not read does not see its end.
    watch.resume();
    // A pipe breaks when the child dies; what that means is said when it is gone.
    for (const pipe of [this.#pipe, watch, errors]) pipe.on('error', () => {});
    this.#gone = new Promise((resolve) => {
      const gone = (words: string) => {
        this.#buried(words);
        resolve();
      };
      this.#process.once('error', (cause) => gone(cause.message));
      // 'close', not 'exit': its last words and answers have been read then.
      this.#process.once('close', (code, signal) => gone(`it ended with ${signal ?? `code ${code}`}`));
    });
    this.#handles = [this.#process, this.#pipe, watch, errors];
    this.#keepAlive(false);
  }

  /** Starts a process and opens the model there. Throws what `openSession` throws, and WORKER_CRASHED. */
  static async open(model: ChildModel, limits: ChildLimits): Promise<{ child: Child; opened: Opened }> {
    const child = new Child(limits);
    try {
      const opened = await new Promise<Opened>((resolve, reject) => {
        child.#opening = { resolve, reject };
        child.#expect(limits.openMs, 'opening the model');
        child.#send({ kind: 'open', model });
      });
      return { child, opened };
    } catch (cause) {
      await child.end();
      throw cause;
    }
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  get inFlight(): number {
    return this.#runs.length;
  }

  /** Whoever is computed, or is next. */
  get head(): ChildRun | undefined {
    return this.#runs[0];
  }

  /** Sends a run; its feeds must stay as they are until it is settled. */
  run(run: ChildRun): void {
    const { notes, pieces } = packTensors(run.feeds);
    const id = this.#next + this.#runs.length;
    if (this.#runs.push(run) === 1) this.#expect(this.#limits.hungMs, 'a run');
    this.#send({ kind: 'run', id, feeds: notes, ...(run.outputs && { outputs: run.outputs }) }, pieces);
  }

  /** Ends it at once, whatever it does; resolves when it is gone. Runs that it has are given up silently. */
  end(): Promise<void> {
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#process.kill('SIGKILL');
    // Whoever waits for the end shall see it.
    this.#keepAlive(true);
    return this.#gone;
  }

  #send(message: ToChild, pieces: readonly Uint8Array[] = []): void {
    if (this.#runs.length < 2) this.#keepAlive(true);
    this.#pipe.cork();
    for (const part of frameOf(message, pieces)) this.#pipe.write(part);
    this.#pipe.uncork();
  }

  #take({ note, body }: Frame): void {
    const message = note as FromChild;
    if (this.#opening !== undefined) {
      const { resolve, reject } = this.#opening;
      this.#opening = undefined;
      this.#idle();
      if (message.kind === 'opened') resolve({ ...message, metadata: new Map(message.metadata) });
      else reject(message.kind === 'failed' ? fail(message.code, message.why) : fail('WORKER_CRASHED', LOST));
      return;
    }
    if (message.kind === 'opened' || message.id !== this.#next) throw new Error(LOST);
    const answer: Computed | ModicumError =
      message.kind === 'failed'
        ? fail(message.code, message.why)
        : {
            fetches: unpackTensors(message.fetches, body),
            computeMs: message.computeMs,
            cpuSeconds: message.cpuSeconds,
          };
    if (message.kind === 'done' && message.rss !== undefined) this.rss = message.rss;
    this.#next++;
    const run = this.#runs.shift()!;
    if (this.#runs.length === 0) this.#idle();
    else this.#expect(this.#limits.hungMs, 'a run');
    run.settle(answer);
  }

  #idle(): void {
    clearTimeout(this.#timer);
    this.#keepAlive(false);
  }

  /** While somebody waits for an answer, the server's process stays. */
  #keepAlive(busy: boolean): void {
    for (const one of this.#handles) {
      if (busy) one.ref();
      else one.unref();
    }
  }

  #expect(ms: number, what: string): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => this.#condemn(fail('WORKER_CRASHED', `${what} took longer than ${ms} ms, and it was ended`)),
      ms,
    );
  }

  #condemn(why: ModicumError): void {
    this.#verdict ??= why;
    this.#process.kill('SIGKILL');
  }

  #buried(words: string): void {
    clearTimeout(this.#timer);
    this.#pipe.destroy();
    const said = this.#words.trim().split('\n').pop();
    const why = this.#verdict ?? fail('WORKER_CRASHED', said ? `${words}: ${said}` : words);
    this.#opening?.reject(why);
    this.#opening = undefined;
    const runs = this.#runs.splice(0);
    if (!this.#ended) this.onCrash?.(why, runs);
  }
}
