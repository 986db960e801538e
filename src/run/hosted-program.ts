import type { Gate } from './gate.ts';
import { type GrowingOptions, type GrowingSession, openGrowing } from './growing.ts';
import { openInThread } from './in-thread.ts';
import type { ModelSource } from './messages.ts';
import type { Session } from './session.ts';
import type { SessionSettings } from './settings.ts';

/** What a hosted program finds in its thread: the models that it was opened with, by number. */
export interface ModelOpener {
  readonly models: number;
  /** Opens a model that keeps growing values, in this very thread. Throws RUNTIME_REFUSED, USAGE_BAD_OPTION. */
  growing(model: number, options: GrowingOptions): Promise<GrowingSession>;
  /**
   * Opens a model in this very thread: no message lies between a caller here and the runtime. The memory of outputs in `reuse` is
   * written again by the next run, where their size is known beforehand. Throws RUNTIME_REFUSED.
   */
  session(model: number, settings: Partial<SessionSettings>, reuse?: readonly string[]): Promise<Session>;
}

/** A program under way. */
export interface HostedService {
  /**
   * Answers plain data with plain data; calls come one after the other or not, as they are made. Buffers of the answer that are put
   * into `transfer` are given away instead of copied.
   */
  call(request: unknown, transfer: ArrayBuffer[]): Promise<unknown>;
  dispose(): Promise<void>;
}

/**
 * A module that runs beside the runtime exports it as `host`. What takes many short runs of a model, each depending on the one
 * before, belongs there: a message between threads for each would cost as much as the run.
 */
export type HostedProgram = (opener: ModelOpener, argument: unknown) => Promise<HostedService>;

export function openerOf(sources: readonly ModelSource[], gate: Gate): ModelOpener {
  return {
    models: sources.length,
    growing: (model, options) => openGrowing(sources[model]!, options, gate),
    session: (model, settings, reuse) => openInThread(sources[model]!, settings, gate, reuse),
  };
}
