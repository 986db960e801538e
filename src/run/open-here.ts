import { resolve } from 'node:path';
import { ModicumError } from '../base/index.ts';
import { loadModel } from '../files/index.ts';
import { OPEN_GATE } from './gate.ts';
import { openInThread } from './in-thread.ts';
import type { Session } from './session.ts';
import type { SessionSettings } from './settings.ts';
import { skeletonOf } from './skeleton.ts';
import { silenceTelemetry } from './telemetry.ts';

/**
 * Opens a model file in the very thread of its caller, for the main thread of a process that has nothing else to do: a run keeps that
 * thread until it is done, no message lies between them, and feeds are not checked. `reuse`: see openInThread.
 * Throws as `openSession` does.
 */
export async function openHere(
  path: string,
  settings: Partial<Omit<SessionSettings, 'instances'>>,
  reuse: readonly string[] = [],
): Promise<Session> {
  silenceTelemetry();
  const known = await skeletonOf(path);
  try {
    return await openInThread({ kind: 'path', path: resolve(path) }, settings, OPEN_GATE, reuse, known);
  } catch (cause) {
    const refused = cause instanceof ModicumError && cause.code === 'RUNTIME_REFUSED';
    // What is wrong with the file itself, our own reader says better than the runtime: it throws here.
    if (refused && known !== undefined) await loadModel(path);
    throw cause;
  }
}
