import { join } from 'node:path';
import { readBundle } from '../bundle/index.ts';
import { Batcher } from './batch/batcher.ts';
import { openEngine } from './compute/open-engine.ts';
import type { ServerConfig } from './config/settings.ts';
import type { OpenedModel } from './models/entry.ts';
import type { Found } from './models/find-versions.ts';
import type { Observer } from './ports.ts';

/** ms: what requests have who say nothing, of a model that says nothing. */
const GOAL_MS = 1000;

/** Opens a version of a model as the settings want it, and learns how long its batches take. Throws what `openEngine` throws. */
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
  const batcher = new Batcher(engine, {
    ...{ name, version, goalMs, observer },
    ...{ prefer: config.prefer, maxQueue: config.maxQueue, maxQueueBytes: config.maxQueueBytes },
    slabBytes: config.maxQueueBytes,
    ...(config.maxBatch !== undefined && { maxBatch: config.maxBatch }),
  });
  try {
    await batcher.warmUp();
  } catch (cause) {
    await engine.dispose();
    throw cause;
  }
  const dispose = async () => {
    batcher.dispose();
    await engine.dispose();
  };
  return { served: batcher, dispose };
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
