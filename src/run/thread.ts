import { Worker } from 'node:worker_threads';
import { fail } from '../base/index.ts';
import { gateMemory, isBusy, shutGate, waitUntilEmpty } from './gate.ts';
import type { Answer, Envelope, Replies, Request } from './messages.ts';
import { silenceTelemetry } from './telemetry.ts';

silenceTelemetry();

interface Waiting {
  readonly resolve: (reply: Replies[keyof Replies]) => void;
  readonly reject: (cause: unknown) => void;
}

/** What ONNX Runtime said, as it said it; its caller knows which error of ours it is. */
export class RuntimeMessage extends Error {}

/** A worker thread and the requests under way in it. Keeps node alive only while there are some. */
export class Thread {
  readonly worker: Worker;
  readonly #gate = gateMemory();
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;
  #cause: unknown;
  #dead = false;
  /** Called once when the thread is gone without having been asked. */
  onCrash: ((cause: unknown) => void) | undefined;

  constructor() {
    watchExit();
    const url = new URL('./worker.js', import.meta.url);
    this.worker = new Worker(url, { execArgv: [], workerData: this.#gate });
    alive.add(this);
    this.worker.unref();
    this.worker.on('message', (message: Answer) => this.#settle(message));
    this.worker.on('messageerror', (cause) => {
      this.#cause = cause;
      void this.end();
    });
    this.worker.on('error', (cause) => {
      this.#cause = cause;
    });
    this.worker.on('exit', (code) => this.#gone(code));
  }

  get dead(): boolean {
    return this.#dead;
  }

  /** Requests under way. */
  get pending(): number {
    return this.#waiting.size;
  }

  /** Throws RuntimeMessage for what ONNX Runtime refuses, WORKER_CRASHED where the thread dies. */
  ask<K extends Request['kind']>(
    request: Extract<Request, { kind: K }>,
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<Replies[K]> {
    return new Promise<Replies[keyof Replies]>((resolve, reject) => {
      if (this.#dead) {
        reject(this.#crash());
        return;
      }
      const envelope: Envelope = { id: this.#next++, request };
      this.worker.postMessage(envelope, transfer);
      if (this.#waiting.size === 0) this.worker.ref();
      this.#waiting.set(envelope.id, { resolve, reject });
    }) as Promise<Replies[K]>;
  }

  /** Ends the thread; not a crash. */
  stop(): Promise<void> {
    this.onCrash = undefined;
    return this.end();
  }

  /** Ends the thread as soon as it is out of native code; its other requests are rejected with WORKER_CRASHED. */
  async end(): Promise<void> {
    shutGate(this.#gate);
    while (!this.#dead && isBusy(this.#gate)) await new Promise((resolve) => setTimeout(resolve, 2));
    await this.worker.terminate();
  }

  /** Lets it compute nothing more; for the end of the process. */
  shut(): void {
    shutGate(this.#gate);
  }

  /** Blocks until it is out of native code; see waitUntilEmpty. */
  wait(deadline: number): boolean {
    return waitUntilEmpty(this.#gate, deadline);
  }

  #settle(message: Answer): void {
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (this.#waiting.size === 0) this.worker.unref();
    if (message.ok) waiting?.resolve(message.reply);
    else if (message.code !== undefined) waiting?.reject(fail(message.code, message.message));
    else waiting?.reject(new RuntimeMessage(message.message));
  }

  #crash(): Error {
    const why =
      this.#cause instanceof Error ? this.#cause.message : 'its thread ended while a model was open';
    return fail('WORKER_CRASHED', why, {}, this.#cause);
  }

  #gone(code: number): void {
    this.#dead = true;
    alive.delete(this);
    this.#cause ??= new Error(`the thread exited with code ${code}`);
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting) reject(this.#crash());
    this.onCrash?.(this.#cause);
  }
}

const alive = new Set<Thread>();
/** Milliseconds that the end of the process waits for runs that are under way. */
const LONGEST_GOODBYE = 10_000;
let watching = false;

/** When the process exits, node ends its threads wherever they are: let them out of native code first. */
function watchExit(): void {
  if (watching) return;
  watching = true;
  process.on('exit', () => {
    const deadline = performance.now() + LONGEST_GOODBYE;
    for (const thread of alive) thread.shut();
    for (const thread of alive) thread.wait(deadline);
  });
}

/** Idle threads with the runtime loaded, so that opening many small sessions in a row costs no thread each. */
const idle = new Map<Thread, NodeJS.Timeout>();
const MOST_IDLE = 8;
const IDLE_MILLISECONDS = 30_000;

/** A thread without a model: an idle one (the last used, still warm), else a new one. */
export function takeThread(): Thread {
  for (const [thread, timer] of [...idle].reverse()) {
    clearTimeout(timer);
    idle.delete(thread);
    if (!thread.dead) return thread;
  }
  return new Thread();
}

/** Gives a thread back that has released its model. */
export function giveThread(thread: Thread): void {
  thread.onCrash = undefined;
  if (thread.dead) return;
  if (idle.size >= MOST_IDLE) {
    void thread.stop();
    return;
  }
  const end = () => {
    idle.delete(thread);
    void thread.stop();
  };
  idle.set(thread, setTimeout(end, IDLE_MILLISECONDS).unref());
}
