import { join } from 'node:path';
import { saveModel, weightBytes } from '../files/index.ts';
import { encodeModel, type Model } from '../graph/index.ts';
import type { ModelSource } from './messages.ts';
import { temporaryFolder } from './temporary.ts';

/** Bytes of weights that still travel to the workers in a message; more go through a file that they share. */
export const MOST_IN_MESSAGE = 512 * 2 ** 20;

/** A model where workers can load it, and again after a crash. */
export interface HeldSource {
  readonly source: ModelSource;
  remove(): Promise<void>;
}

/** A path is loaded by path, so that external data works; a model by its bytes, a very large one through a temporary file. */
export async function holdSource(
  model: Model | string,
  mostInMessage = MOST_IN_MESSAGE,
): Promise<HeldSource> {
  if (typeof model === 'string') return { source: { kind: 'path', path: model }, remove: async () => {} };
  if (weightBytes(model.graph) > mostInMessage) return holdInFile(model);
  const encoded = encodeModel(model);
  // Shared, so that every worker reads the same copy and a healed one finds it again.
  const bytes = new SharedArrayBuffer(encoded.byteLength);
  new Uint8Array(bytes).set(encoded);
  return { source: { kind: 'bytes', bytes }, remove: async () => {} };
}

async function holdInFile(model: Model): Promise<HeldSource> {
  const folder = await temporaryFolder();
  const path = join(folder.path, 'model.onnx');
  try {
    await saveModel(model, path, { external: 'always' });
  } catch (cause) {
    await folder.remove();
    throw cause;
  }
  return { source: { kind: 'path', path }, remove: () => folder.remove() };
}
