import { resolve } from 'node:path';
import { ModicumError } from '../base/index.ts';
import { loadModel } from '../files/index.ts';
import type { Model } from '../graph/index.ts';
import type { OrtSession } from './ort-session.ts';
import { Pool } from './pool.ts';
import { resolveSettings, type SessionSettings } from './settings.ts';
import { skeletonOf } from './skeleton.ts';
import { holdSource } from './source.ts';

/**
 * Opens a model, given in memory or as the path of a file (which is loaded by path, external data with it).
 * Throws USAGE_BAD_OPTION, FILE_NOT_FOUND, MODEL_*, EXTERNAL_*, RUNTIME_REFUSED, PROVIDER_UNAVAILABLE, WORKER_CRASHED.
 *
 * A native abort inside of ONNX Runtime ends the whole process; run models that you do not trust in a process of their own.
 */
export async function openSession(
  model: Model | string,
  settings: Partial<SessionSettings> = {},
): Promise<OrtSession> {
  const resolved = resolveSettings(settings);
  const known = typeof model === 'string' ? await skeletonOf(model) : model;
  const held = await holdSource(typeof model === 'string' ? resolve(model) : model);
  try {
    return await Pool.open(held, known, resolved);
  } catch (cause) {
    const refused = cause instanceof ModicumError && cause.code === 'RUNTIME_REFUSED';
    // What is wrong with the file itself, our own reader says better than the runtime: it throws here.
    if (refused && typeof model === 'string' && known !== undefined) await loadModel(model);
    throw cause;
  }
}
