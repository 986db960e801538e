import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fail } from '../base/index.ts';
import type { Model } from '../graph/index.ts';
import { Pool } from './pool.ts';
import { type NodeTime, ProfileSums } from './profile-events.ts';
import type { Feeds } from './session.ts';
import { resolveSettings, type SessionSettings } from './settings.ts';
import { skeletonOf } from './skeleton.ts';
import { holdSource } from './source.ts';
import { temporaryFolder } from './temporary.ts';

export interface ProfileOptions {
  /** Measured runs. Default 50. */
  readonly runs?: number;
  /** Runs before them that do not count. Default 5. */
  readonly warmup?: number;
  readonly signal?: AbortSignal;
}

/**
 * Time per node of the executed graph, from ONNX Runtime's own profiler; feeds in turn, one instance. The profiler costs time
 * itself and counts in whole microseconds: trust the shares of nodes more than their sum.
 * Throws what `openSession` and `loop` throw.
 */
export async function profileNodes(
  model: Model | string,
  feeds: Feeds | readonly Feeds[],
  settings: Partial<SessionSettings> = {},
  options: ProfileOptions = {},
): Promise<NodeTime[]> {
  const { runs = 50, warmup = 5, signal } = options;
  const folder = await temporaryFolder();
  try {
    const known = typeof model === 'string' ? await skeletonOf(model) : model;
    const resolved = resolveSettings({ ...settings, instances: 1 });
    const profilePrefix = join(folder.path, 'profile');
    const pool = await Pool.open(await holdSource(model), known, resolved, { profilePrefix });
    try {
      await pool.loop(isMany(feeds) ? feeds : [feeds], { runs: warmup + runs, signal });
      await pool.endProfile();
    } finally {
      await pool.dispose();
    }
    const sums = new ProfileSums(warmup);
    const name = (await readdir(folder.path)).find((entry) => entry.endsWith('.json'));
    if (name === undefined) throw fail('RUNTIME_FAILED', 'its profiler wrote no file');
    for await (const line of createInterface({ input: createReadStream(join(folder.path, name)) })) {
      sums.addLine(line);
    }
    if (sums.runs === 0)
      throw fail('RUNTIME_FAILED', 'its profile holds no complete run; ask for fewer runs');
    return sums.times();
  } finally {
    await folder.remove();
  }
}

function isMany(feeds: Feeds | readonly Feeds[]): feeds is readonly Feeds[] {
  return Array.isArray(feeds);
}
