import { fail } from '../base/index.ts';
import type { Model } from '../graph/index.ts';
import { failure, refusal } from './ort-errors.ts';
import { DEFAULT_SETTINGS } from './settings.ts';
import { holdSource } from './source.ts';
import { giveThread, RuntimeMessage, takeThread } from './thread.ts';

/** A program that runs in a thread of its own, beside the runtime: see HostedProgram. */
export interface Hosted {
  /** `transfer`: buffers of the request that are given away. Throws what the program throws, RUNTIME_FAILED, WORKER_CRASHED, SESSION_CLOSED. */
  call(request: unknown, transfer?: readonly ArrayBuffer[]): Promise<unknown>;
  /** Safe to call twice. */
  dispose(): Promise<void>;
}

/**
 * Starts a program (the URL of a module that exports `host`) in a worker thread, with models that it may open there. Throws what
 * the program throws, and as `openSession` does.
 */
export async function openHosted(
  program: URL,
  models: readonly (Model | string)[],
  argument: unknown,
): Promise<Hosted> {
  const held = await Promise.all(models.map((model) => holdSource(model)));
  const thread = takeThread();
  try {
    const sources = held.map(({ source }) => source);
    await thread.ask<'host'>({ kind: 'host', program: program.href, sources, argument });
  } catch (cause) {
    await thread.stop();
    throw cause instanceof RuntimeMessage ? refusal(cause.message, DEFAULT_SETTINGS, cause) : cause;
  } finally {
    await Promise.all(held.map((one) => one.remove()));
  }
  let closed = false;
  return {
    async call(request, transfer = []) {
      if (closed) throw fail('SESSION_CLOSED', 'it was disposed of before this call');
      try {
        return await thread.ask<'call'>({ kind: 'call', request }, transfer);
      } catch (cause) {
        throw cause instanceof RuntimeMessage ? failure(cause.message, cause) : cause;
      }
    },
    async dispose() {
      if (closed) return;
      closed = true;
      try {
        await thread.ask<'release'>({ kind: 'release' });
        giveThread(thread);
      } catch {
        await thread.stop();
      }
    },
  };
}
