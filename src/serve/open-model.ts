import { join } from 'node:path';
import { readBundle } from '../bundle/index.ts';
import { openEngine } from './compute/open-engine.ts';
import type { ServerConfig } from './config/settings.ts';
import type { OpenedModel } from './models/entry.ts';
import type { Found } from './models/find-versions.ts';
import { Unbatched } from './models/unbatched.ts';
import type { Engine, Observer } from './ports.ts';
import { watchedEngine } from './watched-engine.ts';

/** ms: what requests have who say nothing, of a model that says nothing. */
const GOAL_MS = 1000;

/** Opens a version of a model as the settings want it, and tells the observer of its batches. Throws what `openEngine` throws. */
export async function openModel(
  found: Found,
  config: ServerConfig,
  observer: Observer,
): Promise<OpenedModel> {
  const { name, version } = found;
  const { instances, threads, isolation, recycleRuns, recycleAge } = config;
  const goalMs = config.goal?.[name] ?? config.goal?.[''] ?? (await goalOf(found.path)) ?? GOAL_MS;
  const engine = await openEngine(found.path, {
    isolation,
    settings: { ...(instances !== undefined && { instances }), ...(threads !== undefined && { threads }) },
    recycle: {
      ...(recycleRuns !== undefined && { runs: recycleRuns }),
      ...(recycleAge !== undefined && { ageMs: recycleAge }),
    },
    onEvent: (kind, facts) => observer.event(kind, { model: name, version, ...facts }),
  });
  return { served: servedBy(engine, found, goalMs, config, observer), dispose: () => engine.dispose() };
}

function servedBy(
  engine: Engine,
  { name, version }: Found,
  goalMs: number,
  config: ServerConfig,
  observer: Observer,
) {
  const watched = watchedEngine(engine, { model: name, version }, observer);
  return new Unbatched(watched, { name, version, goalMs, mostWaiting: config.maxQueue });
}

/** The p99 that a bundle was made for, ms; undefined for what is no bundle or was made for none. */
async function goalOf(path: string): Promise<number | undefined> {
  if (path.endsWith('.onnx')) return undefined;
  const { goal } = await readBundle(path);
  return typeof goal.p99 === 'number' && goal.p99 > 0 ? goal.p99 : undefined;
}

/** The report of a bundle; undefined for what is no bundle. */
export async function reportOf(path: string): Promise<string | undefined> {
  if (path.endsWith('.onnx')) return undefined;
  return join(path, (await readBundle(path)).report);
}
