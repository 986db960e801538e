import type { Model } from '../graph/index.ts';
import type { SessionSettings } from './settings.ts';

/** What a session says of its model, and of what answers. */
export function metadataOf(model: Model | undefined, settings: SessionSettings): Map<string, string> {
  const metadata = new Map(model?.metadata);
  if (model !== undefined && model.producer.name !== '') metadata.set('producer', model.producer.name);
  metadata.set('runtime', `onnxruntime ${settings.provider}`);
  return metadata;
}
