import { fail } from '../base/index.ts';
import type { Dataset } from '../data/index.ts';
import { isGenerative, portsOfModel, readModelFolder, readTexts, textDataset } from '../tokens/index.ts';
import { datasetPath, type LoadedConfig } from './config.ts';

/** Room for tokens where nothing beside the model tells. */
const USUAL_CONTEXT = 512;

/** True for a decoder with a cache. A file that cannot be read is left to whoever opens it. */
export async function isLanguageModel(path: string): Promise<boolean> {
  if (!path.endsWith('.onnx')) return false;
  const ports = await portsOfModel(path).catch(() => undefined);
  return ports !== undefined && isGenerative(ports.inputs, ports.outputs);
}

/** What --data names as texts, through --tokenizer or the tokenizer beside the model. */
export async function textsOf(
  model: string,
  options: Readonly<Record<string, unknown>>,
  config: LoadedConfig,
): Promise<Dataset> {
  if (typeof options.data !== 'string') throw fail('USAGE_BAD_OPTION', '--data is missing');
  const { path } = datasetPath(config, options.data);
  const { tokenizer, context = USUAL_CONTEXT } = await readModelFolder(
    model,
    options.tokenizer as string | undefined,
  );
  return textDataset(await readTexts(path), { tokenizer, context, name: path });
}
