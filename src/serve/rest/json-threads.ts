import { Worker } from 'node:worker_threads';
import { CATALOGUE, type ErrorCode, fail } from '../../base/index.ts';
import type { BodyLengths, EncodedBody, SentResponse } from '../../protocol/index.ts';
import { type Done, pack, type ReadJson, unpack, type Work } from './json-work.ts';

/** Memory of a thread's objects: JSON of 32 MiB takes up to some twenty times as much when it is read. */
const HEAP_MEGABYTES = 1024;

interface Waiting {
  readonly resolve: (done: Done) => void;
  readonly reject: (error: unknown) => void;
}

interface Thread {
  readonly worker: Worker;
  readonly waiting: Map<number, Waiting>;
}

/** Threads that read and write large JSON. They start when they are first needed, and again where one has died. */
export class JsonThreads {
  readonly #most: number;
  readonly #threads = new Set<Thread>();
  #next = 0;
  #closed = false;

  constructor(most: number) {
    this.#most = most;
  }

  /** As readJson; the bytes are given away. Throws REQUEST_INVALID, REQUEST_TOO_LARGE. */
  async read(bytes: Uint8Array<ArrayBuffer>, lengths: BodyLengths): Promise<ReadJson> {
    const done = await this.#ask({ id: this.#next++, kind: 'read', bytes, lengths }, [bytes.buffer]);
    if (done.kind !== 'read') throw fail('INTERNAL', `a thread was asked to read and did ${done.kind}`);
    return { request: done.request, tensors: done.tensors.map(unpack) };
  }

  /** As encodeInferResponse. Throws REQUEST_INVALID. */
  async write({ outputs, ...response }: SentResponse): Promise<EncodedBody> {
    const transfer: ArrayBuffer[] = [];
    const packed = outputs.map((one) => ({ ...pack(one, transfer, true), binary: one.binary }));
    const done = await this.#ask({ id: this.#next++, kind: 'write', response, outputs: packed }, transfer);
    if (done.kind !== 'write') throw fail('INTERNAL', `a thread was asked to write and did ${done.kind}`);
    return done.body;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#threads].map(({ worker }) => worker.terminate()));
  }

  #ask(asked: Work, transfer: ArrayBuffer[]): Promise<Done> {
    if (this.#closed) throw fail('SERVER_CLOSING', 'it reads no more JSON');
    const thread = this.#idlest();
    return new Promise((resolve, reject) => {
      if (thread.waiting.size === 0) thread.worker.ref();
      thread.waiting.set(asked.id, { resolve, reject });
      thread.worker.postMessage(asked, transfer);
    });
  }

  #idlest(): Thread {
    const [first] = [...this.#threads].sort((a, b) => a.waiting.size - b.waiting.size);
    if (first !== undefined && (first.waiting.size === 0 || this.#threads.size >= this.#most)) return first;
    return this.#start();
  }

  #start(): Thread {
    const worker = new Worker(new URL('./json-thread.js', import.meta.url), {
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MEGABYTES },
    });
    const thread: Thread = { worker, waiting: new Map() };
    this.#threads.add(thread);
    worker.unref();
    worker.on('message', (done: Done) => {
      const waiting = thread.waiting.get(done.id);
      thread.waiting.delete(done.id);
      if (thread.waiting.size === 0) worker.unref();
      if (done.kind === 'failed') waiting?.reject(errorOf(done));
      else waiting?.resolve(done);
    });
    let cause: unknown;
    worker.on('error', (error) => {
      cause = error;
    });
    worker.on('exit', () => {
      this.#threads.delete(thread);
      const error = this.#closed
        ? fail('SERVER_CLOSING', 'it reads no more JSON')
        : fail('REQUEST_TOO_LARGE', 'reading its JSON took more memory than there is for that', {}, cause);
      for (const { reject } of thread.waiting.values()) reject(error);
    });
    return thread;
  }
}

function errorOf({ code, message }: { code: string | undefined; message: string }): Error {
  return code !== undefined && Object.hasOwn(CATALOGUE, code)
    ? fail(code as ErrorCode, message)
    : fail('INTERNAL', message);
}
