import type { Program } from './program.ts';
import type { Buffer } from './view.ts';

/** Where a buffer lies while it is needed: steps by number, both included. */
export interface Placed {
  readonly buffer: Buffer;
  readonly first: number;
  readonly last: number;
  readonly address: number;
}

export interface MemoryPlan {
  readonly addresses: ReadonlyMap<Buffer, number>;
  readonly weights: number;
  /** Where the arena begins. */
  readonly start: number;
  /** Bytes that a run works in, inputs and outputs among them. */
  readonly arena: number;
  /** What the arena would take if nothing shared its place. */
  readonly unshared: number;
  readonly placed: readonly Placed[];
  /** Bytes of memory in all. */
  readonly total: number;
}

/** Reads of whole vectors may reach this far beyond the last element. */
const SLACK = 64;
const START = 16;

/**
 * Addresses for all buffers that the steps touch: weights first, then the arena, where buffers whose lives do not meet share
 * bytes. The largest are placed first, each into the smallest gap that holds it. Inputs and outputs have a place in the arena,
 * unless they are the `caller`'s.
 */
export function planMemory(
  program: Program,
  outputs: readonly Buffer[],
  ports: 'arena' | 'caller' = 'arena',
): MemoryPlan {
  const lives = new Map<Buffer, { first: number; last: number }>();
  const touch = (buffer: Buffer, step: number): void => {
    const life = lives.get(buffer);
    if (life === undefined) lives.set(buffer, { first: step, last: step });
    else life.last = Math.max(life.last, step);
  };
  for (const buffer of program.buffers) if (buffer.pinned === 'input') touch(buffer, -1);
  for (const [i, step] of program.steps.entries()) for (const { buffer } of step.args) touch(buffer, i);
  for (const buffer of outputs) touch(buffer, program.steps.length);
  const addresses = new Map<Buffer, number>();
  let weights = START;
  for (const buffer of lives.keys()) {
    if (buffer.data === undefined) continue;
    addresses.set(buffer, weights);
    weights += buffer.bytes;
  }
  const placed: Placed[] = [];
  const moving = [...lives].filter(([buffer]) => {
    return buffer.data === undefined && (ports === 'arena' || buffer.pinned === undefined);
  });
  moving.sort(([a], [b]) => b.bytes - a.bytes || a.id - b.id);
  for (const [buffer, { first, last }] of moving) {
    const meeting = placed.filter((other) => other.first <= last && other.last >= first);
    meeting.sort((a, b) => a.address - b.address);
    let best: { at: number; room: number } | undefined;
    let free = weights;
    for (const other of meeting) {
      const room = other.address - free;
      if (room >= buffer.bytes && (best === undefined || room < best.room)) best = { at: free, room };
      free = Math.max(free, other.address + other.buffer.bytes);
    }
    placed.push({ buffer, first, last, address: best?.at ?? free });
  }
  for (const { buffer, address } of placed) addresses.set(buffer, address);
  const end = placed.reduce((most, { address, buffer }) => Math.max(most, address + buffer.bytes), weights);
  return {
    addresses,
    weights: weights - START,
    start: weights,
    arena: end - weights,
    unshared: moving.reduce((sum, [buffer]) => sum + buffer.bytes, 0),
    placed,
    total: end + SLACK,
  };
}
