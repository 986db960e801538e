import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { fail, messageOf } from '../../base/index.ts';
import { loadModel, saveModel, writeFileAtomically, writeFolderAtomically } from '../../files/index.ts';
import { TOKEN_CONFIDENCES, type TokenConfidence } from './confidence.ts';
import type { EarlyDecoder } from './cut.ts';
import type { EarlyRule } from './reader.ts';

const NAME = 'early.json';
const FORMAT = 'modicum-early-decoder';

const schema = z.strictObject({
  format: z.literal(FORMAT),
  version: z.literal(1),
  /** Files of the pieces, in order. */
  stages: z.array(z.string().regex(/^[\w.-]+\.onnx$/)).min(2),
  depths: z.array(z.number().int().positive()).min(2),
  fill: z.enum(['exact', 'copy']),
  dim: z.number().int().positive(),
  rule: z.strictObject({
    confidence: z.enum(TOKEN_CONFIDENCES as [TokenConfidence, ...TokenConfidence[]]),
    threshold: z.number().nonnegative(),
  }),
});

/** Writes a decoder in pieces and its rule into a folder, whole or not at all. `beside`: texts of other files (tokenizer.json). Throws FILE_NOT_WRITTEN. */
export async function writeEarly(
  folder: string,
  early: EarlyDecoder,
  rule: EarlyRule,
  beside: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { depths, fill, dim } = early;
  const stages = early.stages.map((_, i) => `stage-${i}.onnx`);
  await writeFolderAtomically(folder, async (staging) => {
    for (const [i, stage] of early.stages.entries()) await saveModel(stage, join(staging, stages[i]!));
    for (const [name, text] of Object.entries(beside)) await writeFileAtomically(join(staging, name), text);
    const json: z.input<typeof schema> = {
      format: FORMAT,
      version: 1,
      stages,
      depths: [...depths],
      fill,
      dim,
      rule,
    };
    await writeFileAtomically(join(staging, NAME), `${JSON.stringify(json, undefined, 2)}\n`);
  });
}

/** Reads such a folder. Throws FILE_NOT_FOUND, NOT_GENERATIVE where it is none, and what `loadModel` throws. */
export async function readEarly(folder: string): Promise<{ early: EarlyDecoder; rule: EarlyRule }> {
  const path = join(folder, NAME);
  const text = await readFile(path, 'utf8').catch((cause) => {
    throw fail('FILE_NOT_FOUND', `${path}: ${messageOf(cause)}`, { path }, cause);
  });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw fail('NOT_GENERATIVE', `${path}: ${messageOf(cause)}`, { path }, cause);
  }
  const found = schema.safeParse(value);
  if (!found.success || found.data.depths.length !== found.data.stages.length) {
    throw fail('NOT_GENERATIVE', `${path} describes no decoder in pieces`, { path });
  }
  const { stages, depths, fill, dim, rule } = found.data;
  const models = [];
  for (const stage of stages) models.push(await loadModel(join(folder, stage)));
  return { early: { stages: models, depths, fill, dim }, rule };
}
