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

/** What a bundle is opened with, before anything is opened. */
export interface BundlePlan {
  readonly bundle: Bundle;
  readonly settings: RunSettings;
  /** The part of the settings that a session takes. */
  readonly session: Partial<SessionSettings>;
  readonly as: 'stages' | 'one-file';
  /** The file that is served, where it is one file. */
  readonly file: string;
  /** Its stages, where it runs as stages. */
  readonly stages: StageSource[] | undefined;
  readonly inputs: Port[];
  readonly outputs: Port[];
}

/** Reads a bundle and decides how it runs; for whoever opens it elsewhere (another process). Throws BUNDLE_INVALID. */
export async function planBundle(folder: string, options: OpenBundleOptions = {}): Promise<BundlePlan> {
  const bundle = await readBundle(folder);
  const found = options.settings === 'latency' ? bundle.latencySettings : bundle.settings;
  const settings: RunSettings = { ...found, ...options.override };
  const pieces = stagesOfBundle(folder, bundle);
  const as = pieces === undefined ? 'one-file' : (options.as ?? (settings.batch > 1 ? 'stages' : 'one-file'));
  return {
    bundle,
    settings,
    session: { ...sessionSettings(found), ...options.override },
    as,
    file: join(folder, bundle.models[bundle.chosen]!.file),
    stages: as === 'stages' ? pieces : undefined,
    inputs: portsIn(bundle.inputs),
    outputs: portsIn(bundle.outputs),
  };
}

/**
 * Opens what a bundle serves, with the settings that it was chosen with. Throws BUNDLE_INVALID, STAGES_INVALID, and what `openSession`
 * throws.
 */
export async function openBundle(folder: string, options: OpenBundleOptions = {}): Promise<OpenedBundle> {
  const plan = await planBundle(folder, options);
  const { bundle, settings, as, stages, inputs, outputs } = plan;
  const session =
    stages === undefined
      ? await openSession(plan.file, plan.session)
      : await openStaged({ stages, inputs, outputs }, plan.session);
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
