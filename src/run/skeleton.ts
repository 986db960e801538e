import { stat } from 'node:fs/promises';
import { fail } from '../base/index.ts';
import { loadModel } from '../files/index.ts';
import type { Model } from '../graph/index.ts';

/** What a model file says of its inputs, outputs and itself. Undefined for ONNX Runtime's own file format. */
export async function skeletonOf(path: string): Promise<Model | undefined> {
  const found = await stat(path).catch((cause) => {
    throw fail('FILE_NOT_FOUND', path, { path }, cause);
  });
  if (!found.isFile()) throw fail('FILE_UNREADABLE', `${path} is not a regular file`, { path });
  if (path.endsWith('.ort')) return undefined;
  return loadModel(path);
}
