import type { Model } from '../src/graph/index.ts';
import { bootstrapInterval } from '../src/measure/index.ts';
import {
  certifyExits,
  compareDecoders,
  cutDecoder,
  type Decoder,
  type EarlyDecoder,
  generate,
  judgeEarly,
  openDecoder,
  openEarlyDecoder,
  openScoring,
  trainExitMaps,
} from '../src/tokens/index.ts';
import { ownTexts } from './own-texts.ts';

/** Tokens of a prompt: the beginning of a text that the model wrote by chance, and those that follow greedily. */
const PROMPT = 24;
const NEW = 48;
/** Texts that exits learn from; prompts that certify a threshold; prompts that judge it. */
const [LEARN, CERTIFY, JUDGE] = [100, 300, 200];
/** Places for exits that are tried, and bounds on the share of differing tokens. */
const PLACES = [[4], [3], [2, 4]];
const BOUNDS = [0.02, 0.05, 0.1];

type Settings = { readonly threads: number };

/** Early exit by layer: what is certified, what it is on prompts apart, and what it saves. */
export async function exitTables(model: Model, settings: Settings): Promise<void> {
  const learn = await ownTexts(model, LEARN, 11);
  const prompts = async (count: number, seed: number) =>
    (await ownTexts(model, count, seed))
      .filter((text) => text.length > PROMPT)
      .map((text) => text.slice(0, PROMPT));
  const certify = await prompts(CERTIFY, 12);
  const judge = await prompts(JUDGE, 13);
  console.log(
    `exits learned on ${LEARN} texts, thresholds certified on ${certify.length} prompts at 95 %, judged on ${judge.length} others; ${NEW} tokens after ${PROMPT}\n`,
  );
  console.log(
    '| exits after | layers behind | bound | threshold | differing tokens, apart (95 %) | tokens that leave | layers, mean | speed against the whole (95 %) |',
  );
  console.log('|---|---|---|---|---|---|---|---|');
  const whole = await openDecoder(model, { settings });
  const scoring = await openScoring(model, settings);
  const timed = await greedyTexts(whole, judge.slice(0, 40));
  try {
    for (const exits of PLACES) {
      const maps = await trainExitMaps(model, learn, { exits, settings, epochs: 15, rate: 4e-3 });
      for (const fill of ['exact', 'copy'] as const) {
        const early = await cutDecoder(model, { exits, maps, fill });
        for (const most of BOUNDS) {
          const name = `| ${exits.join(', ')} | ${fill} | ${percent(most)}`;
          const found = await certifyExits(model, early, certify, {
            most,
            newTokens: NEW,
            stop: [1, 2],
            settings,
          });
          if (found.outcome === 'infeasible') {
            console.log(
              `${name} | infeasible (risk ${percent(found.tried[0]!.risk)} at the first) | | | | |`,
            );
            continue;
          }
          const decoder = await openEarlyDecoder(early, found.rule, { settings });
          const on = await judgeEarly(decoder, scoring, judge, early.depths, {
            newTokens: NEW,
            stop: [1, 2],
          });
          const ratio = await speed(whole, decoder, timed);
          await decoder.dispose();
          const left = on.leaving.slice(0, -1).map(percent).join(', ');
          console.log(
            `${name} | ${found.rule.threshold} | ${share(on.differing)} | ${left} | ${mean(on.depths).toFixed(2)} of ${early.depths.at(-1)} | ${ratio} |`,
          );
        }
      }
    }
    await limits(model, whole, timed, settings);
  } finally {
    await Promise.all([whole.dispose(), scoring.dispose()]);
  }
  console.log('');
}

interface Timed {
  readonly prompt: readonly number[];
  readonly tokens: readonly number[];
}

async function greedyTexts(decoder: Decoder, prompts: readonly (readonly number[])[]): Promise<Timed[]> {
  const found: Timed[] = [];
  for (const prompt of prompts) {
    const tokens: number[] = [];
    for await (const token of generate(decoder, prompt, { newTokens: NEW, stop: [1, 2] })) tokens.push(token);
    if (tokens.length === NEW) found.push({ prompt, tokens });
  }
  return found;
}

async function speed(whole: Decoder, decoder: Decoder, timed: readonly Timed[]): Promise<string> {
  const entries = [
    { name: 'whole', decoder: whole },
    { name: 'exits', decoder },
  ];
  const compared = await compareDecoders(entries, timed, { seconds: 4 });
  const { value, interval } = compared[1]!.ratio;
  return `${value.toFixed(2)} (${interval!.low.toFixed(2)} to ${interval!.high.toFixed(2)})`;
}

/** What could be had at best and at worst: all tokens leave at the first exit, and none does. */
async function limits(
  model: Model,
  whole: Decoder,
  timed: readonly Timed[],
  settings: Settings,
): Promise<void> {
  console.log('\n| exit after | all tokens leave | none leaves |');
  console.log('|---|---|---|');
  for (const exits of [[1], [2], [3], [4]]) {
    const early: EarlyDecoder = await cutDecoder(model, { exits });
    const cells: string[] = [];
    for (const threshold of [0, 2]) {
      const decoder = await openEarlyDecoder(early, { confidence: 'margin', threshold }, { settings });
      cells.push(await speed(whole, decoder, timed));
      await decoder.dispose();
    }
    console.log(`| ${exits[0]} of 5 | ${cells.join(' | ')} |`);
  }
}

function mean(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function share(values: Float64Array): string {
  const figure = (chosen: Uint32Array) => chosen.reduce((sum, i) => sum + values[i]!, 0) / chosen.length;
  const { low, high } = bootstrapInterval(values.length, figure, { seed: 0 });
  return `${percent(mean(values))} (${percent(low)} to ${percent(high)})`;
}

function percent(value: number): string {
  return `${(100 * value).toFixed(1)} %`;
}
