import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { openBundle, planBundle } from '../../bundle/index.ts';
import { openSession, resolveSettings, type SessionSettings } from '../../run/index.ts';
import type { Engine } from '../ports.ts';
import type { ChildModel } from './messages.ts';
import { ProcessEngine, type ProcessEngineOptions } from './process-engine.ts';
import { ThreadEngine } from './thread-engine.ts';

export interface EngineOptions extends ProcessEngineOptions {
  /** `process` (default): processes of their own. `thread`: see ThreadEngine. */
  readonly isolation?: 'process' | 'thread';
  /** Beats the settings of a bundle, one by one. */
  readonly settings?: Partial<SessionSettings>;
  /** Of a bundle: which of its settings count, and whether it runs as stages. See openBundle. */
  readonly bundle?: { readonly settings?: 'throughput' | 'latency'; readonly as?: 'stages' | 'one-file' };
  /** Of `thread`: see ThreadEngine. */
  readonly give?: boolean;
}

/**
 * Opens what computes a model: the path of an ONNX file, or the folder of a bundle. Throws what `openSession` and `openBundle` throw,
 * SERVER_CONFIG_INVALID.
 */
export async function openEngine(path: string, options: EngineOptions = {}): Promise<Engine> {
  const { isolation = 'process', settings, bundle, give, ...processes } = options;
  const isBundle = await stat(join(path, 'bundle.json')).then(
    () => true,
    () => false,
  );
  if (isolation === 'thread') {
    if (isBundle) {
      const opened = await openBundle(path, { ...bundle, override: settings });
      const { instances, threads } = resolveSettings(opened.settings);
      return new ThreadEngine(opened.session, instances, threads, give);
    }
    const session = await openSession(path, settings);
    return new ThreadEngine(session, session.settings.instances, session.settings.threads, give);
  }
  const [model, resolved] = isBundle
    ? await bundleModel(path, { ...bundle, override: settings })
    : ([{ file: path }, resolveSettings(settings)] as const);
  const { instances, ...child } = resolved;
  return ProcessEngine.open({ ...model, settings: child }, instances, processes);
}

async function bundleModel(
  folder: string,
  options: Parameters<typeof planBundle>[1],
): Promise<[Omit<ChildModel, 'settings'>, SessionSettings]> {
  const { file, stages, inputs, outputs, session } = await planBundle(folder, options);
  const settings = resolveSettings(session);
  if (stages === undefined) return [{ file }, settings];
  const plain = stages.map(({ id, model, answers, carried, exit }) => ({
    id,
    model: model as string,
    answers,
    carried,
    ...(exit !== undefined && {
      exit: { ...exit, threshold: Number.isFinite(exit.threshold) ? exit.threshold : null },
    }),
  }));
  return [{ file, staged: { stages: plain, inputs, outputs } }, settings];
}
