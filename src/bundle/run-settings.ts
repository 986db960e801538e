import type { SessionSettings } from '../run/index.ts';

/** How a model is run: all that is not in the model. */
export interface RunSettings {
  /** Samples per call. */
  readonly batch: number;
  /** Intra-op threads of each instance. */
  readonly threads: number;
  /** Sessions working at the same time. */
  readonly instances: number;
  readonly level: SessionSettings['level'];
  readonly provider: SessionSettings['provider'];
}

/** What a user gets who just opens the model: one session, all cores, one sample at a time, all graph optimizations. */
export function defaultRunSettings(cores: number): RunSettings {
  return { batch: 1, threads: cores, instances: 1, level: 'all', provider: 'cpu' };
}

/** The part of the settings that a session takes. */
export function sessionSettings(settings: RunSettings): Partial<SessionSettings> {
  const { threads, instances, level, provider } = settings;
  return { threads, instances, level, provider };
}
