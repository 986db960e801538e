import { join } from 'node:path';
import { openSession, type Port, type Session, type SessionSettings } from '../run/index.ts';
import { openStaged, type StageSource } from '../staged/index.ts';
import type { Bundle } from './bundle.ts';
import { readBundle } from './read-bundle.ts';
import { type RunSettings, sessionSettings } from './run-settings.ts';

export interface OpenBundleOptions {
  /** Which of the bundle's settings count: those for most samples per second, or those for a single call. Default: throughput. */
  readonly settings?: 'throughput' | 'latency';
  /**
   * A bundle with stages can run as stages (samples that leave are no burden to the others: for batches) or as one file with nested
   * conditions (for single samples; a batch leaves together, by its least sure sample). Default: by the batch of the settings.
   */
  readonly as?: 'stages' | 'one-file';
  /** Beats the settings of the bundle, one by one. */
  readonly override?: Partial<SessionSettings>;
}

export interface OpenedBundle {
  readonly bundle: Bundle;
  readonly session: Session;
  /** What it runs with; `batch` is for whoever feeds it. */
  readonly settings: RunSettings;
  readonly as: 'stages' | 'one-file';
}

/**
 * Opens what a bundle serves, with the settings that it was chosen with. Throws BUNDLE_INVALID, STAGES_INVALID, and what `openSession`
 * throws.
 */
export async function openBundle(folder: string, options: OpenBundleOptions = {}): Promise<OpenedBundle> {
  const bundle = await readBundle(folder);
  const found = options.settings === 'latency' ? bundle.latencySettings : bundle.settings;
  const settings: RunSettings = { ...found, ...options.override };
  const resolved = { ...sessionSettings(found), ...options.override };
  const pieces = stagesOfBundle(folder, bundle);
  const as = pieces === undefined ? 'one-file' : (options.as ?? (settings.batch > 1 ? 'stages' : 'one-file'));
  const session =
    as === 'stages' && pieces !== undefined
      ? await openStaged(
          { stages: pieces, inputs: portsIn(bundle.inputs), outputs: portsIn(bundle.outputs) },
          resolved,
        )
      : await openSession(join(folder, bundle.models[bundle.chosen]!.file), resolved);
  return { bundle, session, settings, as };
}

/** The stages of a bundle with the paths of their files; undefined where it has none. */
export function stagesOfBundle(folder: string, bundle: Bundle): StageSource[] | undefined {
  return bundle.stages?.map(({ id, model, answers, carried, exit, macs }) => ({
    id,
    model: join(folder, bundle.models[model]!.file),
    answers,
    carried,
    ...(exit !== undefined && {
      exit: { ...exit, threshold: exit.threshold ?? Number.POSITIVE_INFINITY },
    }),
    macs,
  }));
}

function portsIn(ports: Bundle['inputs']): Port[] {
  return ports.map(({ name, dtype, shape }) => ({ name, dtype, shape: shape ?? undefined }));
}
