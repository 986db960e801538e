import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fail } from '../base/index.ts';
import { assertPlace, loadModel } from '../files/index.ts';
import { findRecord, type Measurement } from '../measure/index.ts';
import { quantity, textTable } from '../report/index.ts';
import {
  decoderLayers,
  readModelFolder,
  readTexts,
  type TokenExits,
  tokenExits,
  writeEarly,
} from '../tokens/index.ts';
import type { Console, Outcome } from './command.ts';
import { datasetPath, type LoadedConfig } from './config.ts';
import { numberOf, wholeOf } from './options.ts';

/** Files beside a language model that go with it. */
const BESIDE = ['tokenizer.json', 'config.json', 'generation_config.json'];

/** `exits` of a language model: --max-drop is the share of tokens, in points, that may not be the whole model's own. */
export async function exitsOfTokens(
  path: string,
  options: Readonly<Record<string, unknown>>,
  config: LoadedConfig,
  { print, progress, signal }: Pick<Console, 'print' | 'progress' | 'signal'>,
): Promise<Outcome> {
  const out = options.out as string | undefined;
  if (out !== undefined) await assertPlace(out);
  const model = await loadModel(path);
  const exits = await placesOf(model, options);
  const { tokenizer, stop } = await readModelFolder(path);
  const texts = (await readTexts(datasetPath(config, String(options.data)).path)).map((text) => {
    if (typeof text !== 'string') return text;
    if (tokenizer === undefined) throw fail('TOKENIZER_UNFIT', `there is no tokenizer.json beside ${path}`);
    return tokenizer.encode(text);
  });
  const found = await tokenExits(model, texts, {
    exits,
    most: numberOf('max-drop', options.maxDrop, 0.01, 99) / 100,
    confidence: numberOf('confidence', options.confidence, 0.5, 0.9999),
    epochs: wholeOf('epochs', options.epochs, 1, 1e6),
    seed: wholeOf('seed', options.seed, 0, 2 ** 31 - 1),
    settings: { threads: options.threads === undefined ? 1 : wholeOf('threads', options.threads, 1, 1024) },
    stop,
    progress,
    signal,
  });
  print(textOf(found));
  const { certified, early, counts, records } = found;
  if (certified.outcome === 'certified' && out !== undefined) {
    await writeEarly(out, early, certified.rule, await filesBeside(path));
    print(`\n wrote ${out}`);
  }
  return {
    json: { model: path, depths: early.depths, certified, counts, records },
    exit: certified.outcome === 'certified' ? 0 : 1,
  };
}

/** Layers of --at, or as many as --exits, evenly over the depth. */
async function placesOf(
  model: Parameters<typeof decoderLayers>[0],
  options: Readonly<Record<string, unknown>>,
): Promise<number[]> {
  const layers = (await decoderLayers(model)).hidden.length - 1;
  if (options.at !== undefined)
    return (options.at as string[]).map((text) => wholeOf('at', text, 1, layers - 1));
  const count = wholeOf('exits', options.exits, 1, layers - 1);
  return Array.from({ length: count }, (_, i) =>
    Math.max(i + 1, Math.round(((i + 1) * layers) / (count + 1))),
  );
}

function textOf({ certified, early, counts, records }: TokenExits): string {
  const depths = early.depths.join(', ');
  const used = `${counts.learned} texts to learn from, ${counts.certified} prompts to certify, ${counts.judged} to judge`;
  if (certified.outcome === 'infeasible') {
    const { risk } = certified.tried[0]!;
    return `No threshold keeps the bound (pieces after layers ${depths}; ${used}): at the safest ${quantity(100 * risk, '%')} of the tokens differ.`;
  }
  const { confidence, threshold } = certified.rule;
  const rows = records.map((record) => [
    label(record),
    quantity(record.value, record.unit),
    record.interval === undefined
      ? ''
      : `${quantity(record.interval.low, record.unit)} to ${quantity(record.interval.high, record.unit)}`,
  ]);
  const slow = findRecord(records, 'decode.speed-ratio')?.interval;
  const warning =
    slow !== undefined && slow.low < 1 ? '\nIt is not proven to be faster than the whole model.' : '';
  return `Tokens leave where the ${confidence} is at least ${threshold} (pieces after layers ${depths}; ${used}).\n\n${textTable(['on prompts apart', 'value', '95 %'], rows)}${warning}`;
}

function label({ what, settings }: Measurement): string {
  return what === 'exits.leaving' ? `chosen after ${settings?.layers} layers` : what;
}

async function filesBeside(model: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of BESIDE) {
    const text = await readFile(join(dirname(model), name), 'utf8').catch(() => undefined);
    if (text !== undefined) found[name] = text;
  }
  return found;
}
