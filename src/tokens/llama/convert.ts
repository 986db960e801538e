import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fail, messageOf } from '../../base/index.ts';
import { assertPlace, saveModel, writeFileAtomically } from '../../files/index.ts';
import type { Model } from '../../graph/index.ts';
import type { BpeTokenizer } from '../tokenizer/bpe.ts';
import { tokenizerJson } from '../tokenizer/json.ts';
import { readLlama2cTokenizer } from '../tokenizer/llama2c.ts';
import { readCheckpoint } from './checkpoint.ts';
import { decoder } from './decoder.ts';
import { type LlamaWeights, NORM_EPSILON, ROPE_BASE } from './weights.ts';

/** What a conversion made. */
export interface Converted {
  readonly model: Model;
  readonly tokenizer: BpeTokenizer;
  readonly weights: LlamaWeights;
}

/** A llama2.c model and tokenizer, from their files. Throws FILE_NOT_FOUND, CHECKPOINT_UNFIT, TOKENIZER_UNFIT. */
export async function convertLlama2c(model: string, tokenizer: string): Promise<Converted> {
  const weights = readCheckpoint(await read(model));
  return {
    weights,
    model: decoder(weights),
    tokenizer: readLlama2cTokenizer(await read(tokenizer), weights.config.vocab),
  };
}

async function read(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    throw fail(
      missing ? 'FILE_NOT_FOUND' : 'FILE_UNREADABLE',
      `${path}: ${messageOf(cause)}`,
      { path },
      cause,
    );
  }
}

/**
 * Writes model.onnx, tokenizer.json, config.json and generation_config.json into a folder, as exports of Hugging Face have them.
 * llama2.c ends a text at the token of the beginning as well as at that of the end. Throws FILE_NOT_WRITTEN.
 */
export async function writeConverted(
  { model, tokenizer, weights }: Converted,
  folder: string,
): Promise<string[]> {
  await assertPlace(join(folder, 'model.onnx'));
  await mkdir(folder, { recursive: true });
  const { config } = weights;
  const about = {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_size: config.dim,
    intermediate_size: config.hidden,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.kvHeads,
    vocab_size: config.vocab,
    max_position_embeddings: config.positions,
    hidden_act: 'silu',
    rms_norm_eps: NORM_EPSILON,
    rope_theta: ROPE_BASE,
    tie_word_embeddings: weights.classifier === weights.embedding,
    bos_token_id: tokenizer.begin,
    eos_token_id: tokenizer.end,
    torch_dtype: 'float32',
  };
  const generation = { bos_token_id: tokenizer.begin, eos_token_id: [tokenizer.begin, tokenizer.end] };
  const texts = {
    'tokenizer.json': tokenizerJson(tokenizer),
    'config.json': `${JSON.stringify(about, undefined, 2)}\n`,
    'generation_config.json': `${JSON.stringify(generation, undefined, 2)}\n`,
  };
  await saveModel(model, join(folder, 'model.onnx'));
  for (const [name, text] of Object.entries(texts)) await writeFileAtomically(join(folder, name), text);
  return ['model.onnx', ...Object.keys(texts)];
}
