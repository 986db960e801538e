import { parentPort, workerData } from 'node:worker_threads';

/**
 * The thread that waits for the next alarm. Timers of an event loop have steps of a millisecond, and an event loop that spins takes
 * a core from the server under test; a thread that sleeps on a futex wakes within some 60 µs and costs next to nothing.
 */
export interface PacerMemory {
  /** [0] changes with every new alarm; [1] is not 0 when it is time to end. */
  readonly signals: Int32Array;
  /** [0] when to ring, ms of process.hrtime(). */
  readonly due: Float64Array;
}

const { signals, due } = workerData as PacerMemory;

const now = (): number => {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
};

let rung = 0;
while (Atomics.load(signals, 1) === 0) {
  const version = Atomics.load(signals, 0);
  if (version === rung) {
    Atomics.wait(signals, 0, version);
    continue;
  }
  const left = due[0]! - now();
  // A new alarm while it waits ends the wait early, and is looked at afresh.
  if (left > 0 && Atomics.wait(signals, 0, version, left) !== 'timed-out') continue;
  rung = version;
  parentPort?.postMessage(version);
}
