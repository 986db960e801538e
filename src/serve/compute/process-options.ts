import { fail } from '../../base/index.ts';

/** How processes that compute are kept. */
export interface ProcessOptions {
  /** Runs that lie at a process at once: while one is computed, the next is on its way already. Default 2. */
  readonly depth?: number;
  /** ms that opening a model may take. Default 10 minutes. */
  readonly openMs?: number;
  /** ms that a run may take before the process is taken for hung, and ended. Default 2 minutes. */
  readonly hungMs?: number;
  /** Crashes in a row, without one good run of any instance between, after which an instance is given up for `probationMs`. Default 5. */
  readonly mostCrashes?: number;
  /** ms before the second restart in a row; doubled with each further one, up to 5 s. The first is at once. Default 100. */
  readonly backoffMs?: number;
  /** ms after which an instance that was given up is tried again. Default 30 s. */
  readonly probationMs?: number;
  /** Whether a fresh process computes zeros once before it is given runs. Default true. */
  readonly warm?: boolean;
  readonly recycle?: Recycling;
}

/** When a process is replaced by a fresh one, without anybody noticing. */
export interface Recycling {
  /** Runs that one process computes. Default: no bound. */
  readonly runs?: number;
  /** ms that one process lives. Default: no bound. */
  readonly ageMs?: number;
  /** Bytes that its memory may grow beyond what it had after its first runs. Default: as much again, at least 512 MiB. */
  readonly growthBytes?: number;
}

export type ProcessSettings = Required<Omit<ProcessOptions, 'recycle'>> & { readonly recycle: Recycling };

/** Throws SERVER_CONFIG_INVALID. */
export function processSettings(given: ProcessOptions = {}): ProcessSettings {
  const settings: ProcessSettings = {
    depth: given.depth ?? 2,
    openMs: given.openMs ?? 600_000,
    hungMs: given.hungMs ?? 120_000,
    mostCrashes: given.mostCrashes ?? 5,
    backoffMs: given.backoffMs ?? 100,
    probationMs: given.probationMs ?? 30_000,
    warm: given.warm ?? true,
    recycle: given.recycle ?? {},
  };
  const { warm, recycle, ...numbers } = settings;
  for (const [name, value] of Object.entries({ ...numbers, ...recycle })) {
    if (value !== undefined && !(value > 0)) {
      throw fail('SERVER_CONFIG_INVALID', `${name} must be more than 0, not ${value}`);
    }
  }
  return settings;
}
