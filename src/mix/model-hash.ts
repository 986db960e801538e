import { createHash } from 'node:crypto';
import { cloneModel, encodeModel, type Model } from '../graph/index.ts';

const HASHES = new WeakMap<Model, string>();

/** SHA-256 (hex) of a model and all its weights, wherever they lie. Computed once for a model in memory. */
export function modelHash(model: Model): string {
  const known = HASHES.get(model);
  if (known !== undefined) return known;
  const hash = createHash('sha256');
  // Weight after weight, since a large model has no encoding in one piece.
  const bare = cloneModel(model);
  bare.graph.initializers = new Map();
  hash.update(encodeModel(bare));
  for (const [name, tensor] of model.graph.initializers) {
    hash.update(`\n${name} ${tensor.dtype} [${tensor.dims}]\n`);
    if (tensor.dtype === 'string') hash.update(JSON.stringify(tensor.strings().map(String)));
    else hash.update(tensor.bytes());
  }
  const made = hash.digest('hex');
  HASHES.set(model, made);
  return made;
}
