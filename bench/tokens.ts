import { readFileSync } from 'node:fs';
import { SILENT } from '../src/base/index.ts';
import { encodeModel, type Model } from '../src/graph/index.ts';
import {
  compareEvaluations,
  type Evaluation,
  evaluate,
  findRecord,
  metricByName,
} from '../src/measure/index.ts';
import {
  compareDecoders,
  convertLlama2c,
  type Decoder,
  generate,
  measureTokens,
  openDecoder,
  openScoring,
  textDataset,
} from '../src/tokens/index.ts';
import { cleanUp, type Pass, RECIPE_PASSES } from '../src/transform/index.ts';
import { sharedData } from '../test/shared-data.ts';
import { wanted } from './arguments.ts';
import { heading } from './heading.ts';
import { ownTexts } from './own-texts.ts';
import { exitTables } from './tokens-exits.ts';
import { sizeTable } from './tokens-size.ts';

/**
 * A small language model in fp32, int8 and int4: how well it still writes, and how fast; and with early exits by layer.
 * `npm run bench -- tokens [quantized|exits|size]`.
 */
const SEED = 0;
/** One thread: at this size a second one only gets in the way. */
const SETTINGS = { threads: 1 };
/** Texts that the model writes itself, by which it is judged. */
const TEXTS = 200;

const NAMES = ['stories260K.bin', 'stories260K.tok512.bin', 'stories260K.reference-output.md'];
const [bin, tok, published] = NAMES.map((name) => sharedData(`stories260k/${name}`));
if (bin === undefined || tok === undefined || published === undefined) {
  console.log('skipped: data absent (stories260k)');
} else {
  const { model, tokenizer } = await convertLlama2c(bin, tok);
  console.log(heading(`seed ${SEED}, 1 thread`));
  const text = publishedText(published);
  const greedy = await greedyTokens(model);
  if (tokenizer.decode(greedy) !== text) throw new Error('fp32 does not write the published text');
  if (wanted('quantized')) await quantizedTable(model, greedy);
  if (wanted('exits')) await exitTables(model, SETTINGS);
  if (wanted('size')) await sizeTable(SETTINGS);
}

function publishedText(path: string): string {
  return /-t 0\.0\n([\s\S]*?)\n```/.exec(readFileSync(path, 'utf8'))![1]!;
}

/** What fp32 writes from the token of the beginning on, as long as the published text. */
async function greedyTokens(model: Model): Promise<number[]> {
  const decoder = await openDecoder(model, { settings: SETTINGS });
  const tokens = [1];
  for await (const token of generate(decoder, tokens.slice(), { newTokens: 256, stop: [1] }))
    tokens.push(token);
  await decoder.dispose();
  return tokens;
}

async function variants(model: Model): Promise<[string, Model][]> {
  const context = { seed: SEED, progress: SILENT };
  const { model: clean } = await cleanUp.apply(model, cleanUp.defaults, context);
  const made = async (name: string, pass: Pass, options: object): Promise<[string, Model]> => {
    const result = await pass.apply(clean, { ...pass.defaults, ...options }, context);
    return [name, result.model];
  };
  const weights = RECIPE_PASSES['quantize-weights'] as Pass;
  return [
    ['fp32', model],
    await made('int8 (dynamic)', RECIPE_PASSES['quantize-dynamic'] as Pass, {}),
    await made('int8 weights', weights, { bits: 8 }),
    await made('int4 weights, blocks of 32', weights, { bits: 4, blockSize: 32 }),
    await made('int4 weights, blocks of 16', weights, { bits: 4, blockSize: 16 }),
    await made('int4 and int8 tables, blocks of 16', weights, {
      bits: 4,
      blockSize: 16,
      storage: true,
      least: 64,
    }),
  ];
}

async function quantizedTable(model: Model, reference: readonly number[]): Promise<void> {
  const own = await ownTexts(model, TEXTS, SEED);
  const all = await variants(model);
  const metric = metricByName('perplexity');
  const score = async (one: Model, sequences: readonly (readonly number[])[]): Promise<Evaluation> => {
    const session = await openScoring(one, SETTINGS);
    try {
      const data = textDataset(sequences, { context: 512 });
      return await evaluate(session, data, metric, { batch: 8, seed: SEED });
    } finally {
      await session.dispose();
    }
  };
  console.log(
    `${TEXTS} texts of its own (temperature 1, ${own.reduce((sum, text) => sum + text.length - 1, 0)} tokens); the published text (${reference.length - 1} tokens)\n`,
  );
  console.log(
    '| variant | size, kB | perplexity, own texts (95 %) | worse by (paired 95 %) | published text | greedy text as published |',
  );
  console.log('|---|---|---|---|---|---|');
  const decoders: { name: string; decoder: Decoder }[] = [];
  let baseline: Evaluation | undefined;
  for (const [name, one] of all) {
    const found = await score(one, own);
    baseline ??= found;
    const worse = compareEvaluations(baseline, found, metric, { seed: SEED });
    const { value } = await score(one, [reference]);
    const decoder = await openDecoder(one, { settings: SETTINGS });
    decoders.push({ name, decoder });
    const same = await sameTokens(decoder, reference);
    const size = (encodeModel(one).byteLength / 1000).toFixed(0);
    console.log(
      `| ${name} | ${size} | ${say(found, 3)} | ${say(worse, 3)} | ${value.toFixed(3)} | ${same} of ${reference.length - 1} tokens |`,
    );
  }
  await speedTable(decoders, own);
  await Promise.all(decoders.map(({ decoder }) => decoder.dispose()));
  console.log('');
}

async function speedTable(
  decoders: readonly { name: string; decoder: Decoder }[],
  own: readonly (readonly number[])[],
): Promise<void> {
  const long = own.filter((text) => text.length >= 160);
  const timed = long.map((text) => ({ prompt: text.slice(0, 32), tokens: text.slice(32, 160) }));
  const compared = await compareDecoders(decoders, timed, { seconds: 45, seed: SEED });
  console.log('\n| variant | prefill 32 | prefill 128 | ms per token | tokens/s | against fp32 (95 %) |');
  console.log('|---|---|---|---|---|---|');
  for (const [i, { name, decoder }] of decoders.entries()) {
    const points = await measureTokens(decoder, {
      promptTokens: [32, 128],
      seconds: 2,
      newTokens: 16,
      seed: SEED,
    });
    const prefill = points.map(
      ({ records }) => `${findRecord(records, 'prefill.latency')!.value.toFixed(2)} ms`,
    );
    const { latency, ratio } = compared[i]!;
    console.log(
      `| ${name} | ${prefill.join(' | ')} | ${latency.value.toFixed(3)} | ${(1000 / latency.value).toFixed(0)} | ${i === 0 ? '' : `${say(ratio, 2)}`} |`,
    );
  }
}

/** How many tokens of its greedy text are those of the published one, from the first on. */
async function sameTokens(decoder: Decoder, reference: readonly number[]): Promise<number> {
  let same = 0;
  for await (const token of generate(decoder, [1], { newTokens: reference.length - 1 })) {
    if (token !== reference[same + 1]) break;
    same++;
  }
  return same;
}

function say(
  { value, interval }: { readonly value: number; readonly interval?: { low: number; high: number } },
  places: number,
): string {
  const range = interval ? ` (${interval.low.toFixed(places)} to ${interval.high.toFixed(places)})` : '';
  return `${value.toFixed(places)}${range}`;
}
