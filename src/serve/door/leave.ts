import { setTimeout as delay } from 'node:timers/promises';
import type { Door } from './door.ts';

/** Something that takes connections. */
export interface Listener {
  /** No more connections; those that are idle end. Requests under way go on. */
  stop(): void;
  /** Ends all connections, whatever they do, and frees what it holds. */
  cut(): Promise<void>;
}

export interface LeaveOptions {
  /** ms to go on serving while not ready, so that load balancers hear of it. Default: 5 s. */
  readonly graceMs?: number;
  /** ms that requests under way have to end after that. Default: 30 s. */
  readonly drainMs?: number;
  /** Fires when there is no more patience: all waits end. */
  readonly signal?: AbortSignal;
}

/**
 * Ends a server without dropping what it was asked: not ready first, still serving for a while, then no more connections, then the end of the
 * requests under way, but no longer than allowed. Answers how many were cut off.
 */
export async function leave(
  door: Door,
  listeners: readonly Listener[],
  { graceMs = 5000, drainMs = 30_000, signal }: LeaveOptions = {},
): Promise<number> {
  door.startLeaving();
  await pause(graceMs, signal);
  for (const listener of listeners) listener.stop();
  door.close();
  const drained = new AbortController();
  const signals = [drained.signal, ...(signal === undefined ? [] : [signal])];
  await Promise.race([door.empty().then(() => drained.abort()), pause(drainMs, AbortSignal.any(signals))]);
  const left = door.inside;
  await Promise.all(listeners.map((listener) => listener.cut()));
  return left;
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  if (ms > 0) await delay(ms, undefined, { signal }).catch(() => {});
}
