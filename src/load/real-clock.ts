import { Worker } from 'node:worker_threads';
import type { Clock } from './clock.ts';
import type { PacerMemory } from './pacer.ts';

/** Monotonic milliseconds, the same in all threads of a process. */
export function monotonic(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}

/** Real time, with alarms that a thread of its own waits for. */
export class RealClock implements Clock {
  readonly #memory: PacerMemory = {
    signals: new Int32Array(new SharedArrayBuffer(8)),
    due: new Float64Array(new SharedArrayBuffer(8)),
  };
  readonly #worker: Worker;
  #ring: (() => void) | undefined;
  #version = 0;

  constructor() {
    this.#worker = new Worker(new URL('./pacer.js', import.meta.url), {
      execArgv: [],
      workerData: this.#memory,
    });
    this.#worker.on('message', (version: number) => {
      if (version !== this.#version) return;
      const ring = this.#ring;
      this.#ring = undefined;
      ring?.();
    });
    this.#worker.unref();
  }

  now(): number {
    return monotonic();
  }

  alarm(due: number, ring: () => void): void {
    this.#ring = ring;
    this.#version = (this.#version + 1) | 0;
    // The time must stand there before the version that announces it.
    this.#memory.due[0] = due;
    Atomics.store(this.#memory.signals, 0, this.#version);
    Atomics.notify(this.#memory.signals, 0);
  }

  every(milliseconds: number, call: () => void): () => void {
    const timer = setInterval(call, milliseconds);
    return () => clearInterval(timer);
  }

  async close(): Promise<void> {
    this.#ring = undefined;
    Atomics.store(this.#memory.signals, 1, 1);
    Atomics.add(this.#memory.signals, 0, 1);
    Atomics.notify(this.#memory.signals, 0);
    await this.#worker.terminate();
  }
}
