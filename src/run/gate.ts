/**
 * A gate before the native code of the runtime. A thread that is ended while it computes there takes the whole process with it
 * (the binding throws where no exception can be thrown any more), so whoever ends one shuts its gate first and waits until
 * nobody is inside. Both sides share two words.
 */
export interface Gate {
  /** Before native code. Where the gate is shut the thread stays here until it is ended. */
  enter(): void;
  leave(): void;
}

const INSIDE = 0;
const SHUT = 1;

/** Memory for a gate: shared between a thread and those who end it. */
export function gateMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT);
}

/** The side of the thread that computes. */
export function gateOf(memory: SharedArrayBuffer): Gate {
  const words = new Int32Array(memory);
  const leave = () => {
    Atomics.sub(words, INSIDE, 1);
    Atomics.notify(words, INSIDE);
  };
  return {
    enter() {
      // First in, then look: whoever shuts does it the other way round, so one of the two sees the other.
      Atomics.add(words, INSIDE, 1);
      if (Atomics.load(words, SHUT) === 0) return;
      leave();
      for (;;) Atomics.wait(words, SHUT, 1);
    },
    leave,
  };
}

/** Lets nobody in any more. */
export function shutGate(memory: SharedArrayBuffer): void {
  Atomics.store(new Int32Array(memory), SHUT, 1);
}

/** Whether somebody is inside. */
export function isBusy(memory: SharedArrayBuffer): boolean {
  return Atomics.load(new Int32Array(memory), INSIDE) > 0;
}

/** Blocks until nobody is inside, at most until `deadline` (performance.now()). Returns whether nobody is. */
export function waitUntilEmpty(memory: SharedArrayBuffer, deadline: number): boolean {
  const words = new Int32Array(memory);
  for (;;) {
    const inside = Atomics.load(words, INSIDE);
    if (inside <= 0) return true;
    const left = deadline - performance.now();
    if (left <= 0) return false;
    Atomics.wait(words, INSIDE, inside, Math.min(left, 100));
  }
}

/** For a thread that nobody ends: the main thread of a process of its own. */
export const OPEN_GATE: Gate = { enter() {}, leave() {} };
