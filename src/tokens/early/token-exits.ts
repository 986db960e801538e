import { fail, Random } from '../../base/index.ts';
import type { Model } from '../../graph/index.ts';
import { bootstrapInterval, type Measurement, recorder, thisMachine } from '../../measure/index.ts';
import { compareDecoders, type TimedText } from '../compare.ts';
import { contextOf, type Decoder, openDecoder, openEarlyDecoder } from '../decoder.ts';
import { generate } from '../generate.ts';
import { openScoring } from '../scoring.ts';
import { type CertifiedExits, type CertifyEarlyOptions, certifyExits } from './certify.ts';
import { cutDecoder, type EarlyDecoder, type Fill } from './cut.ts';
import { judgeEarly } from './judge.ts';
import type { EarlyRule } from './reader.ts';
import { trainExitMaps } from './train-maps.ts';

export interface TokenExitsOptions extends CertifyEarlyOptions {
  /** Layers after which a token may leave: see cutDecoder. */
  readonly exits: readonly number[];
  /** Default 'exact'. */
  readonly fill?: Fill;
  /** Tokens of a prompt, from the beginning of a text. Default 24. */
  readonly promptTokens?: number;
  /** Times that exits see every token. Default 10. */
  readonly epochs?: number;
  /** Of the division of the texts and of training. Default 0. */
  readonly seed?: number;
  /** Seconds to time the speed; 0: not timed. Default 5. */
  readonly seconds?: number;
}

/** Early exits of a language model, and what they were found to be. */
export interface TokenExits {
  readonly early: EarlyDecoder;
  readonly certified: CertifiedExits;
  /** Texts that exits learned from, prompts that certified the threshold, prompts apart that judged it. */
  readonly counts: { readonly learned: number; readonly certified: number; readonly judged: number };
  /**
   * On prompts apart, where a threshold was certified: exits.differing (%), exits.depth (layers), exits.leaving (%, by exit), and
   * decode.speed-ratio against the whole model.
   */
  readonly records: readonly Measurement[];
}

/** Shares of the texts that exits learn from and that certify; the rest judges. */
const [LEARN, CERTIFY] = [0.35, 0.4];

/**
 * Early exit by layer from end to end: exits learn on a part of the texts (token numbers, the beginning included), a threshold is certified on
 * prompts of another, and what it does is measured on a third. Throws NOT_GENERATIVE, USAGE_BAD_OPTION, DATA_TOO_FEW, TRAIN_*.
 */
export async function tokenExits(
  model: Model,
  texts: readonly (readonly number[])[],
  options: TokenExitsOptions,
): Promise<TokenExits> {
  const { exits, fill, promptTokens = 24, seed = 0, epochs = 10, settings, progress, signal } = options;
  // What lies beyond the context cannot be read.
  const room = contextOf(model.metadata, undefined);
  const { learn, certify, judge } = divide(
    texts.map((text) => text.slice(0, room)),
    promptTokens,
    seed,
  );
  const maps = await trainExitMaps(model, learn, { exits, epochs, seed, settings, progress, signal });
  const early = await cutDecoder(model, { exits, maps, fill });
  const certified = await certifyExits(model, early, certify, options);
  const counts = { learned: learn.length, certified: certify.length, judged: judge.length };
  const records =
    certified.outcome === 'certified' ? await measured(model, early, certified.rule, judge, options) : [];
  return { early, certified, counts, records };
}

function divide(texts: readonly (readonly number[])[], promptTokens: number, seed: number) {
  const order = new Random(seed).shuffle([...texts]);
  const [first, second] = [LEARN, LEARN + CERTIFY].map((share) => Math.round(order.length * share));
  // A text without a token after its prompt asks nothing.
  const prompts = (part: readonly (readonly number[])[]) =>
    part.filter((text) => text.length > promptTokens).map((text) => text.slice(0, promptTokens));
  const learn = order.slice(0, first);
  const [certify, judge] = [prompts(order.slice(first, second)), prompts(order.slice(second))];
  if (learn.length === 0 || certify.length === 0 || judge.length === 0) {
    const why = `${texts.length} texts, ${certify.length + judge.length} of them long enough for a prompt of ${promptTokens} tokens`;
    throw fail('DATA_TOO_FEW', why, { hint: 'Give more texts, or shorter prompts.' });
  }
  return { learn, certify, judge };
}

async function measured(
  model: Model,
  early: EarlyDecoder,
  rule: EarlyRule,
  prompts: readonly (readonly number[])[],
  options: TokenExitsOptions,
): Promise<Measurement[]> {
  const { settings, seed = 0, seconds = 5, signal } = options;
  const [whole, scoring, decoder] = await Promise.all([
    openDecoder(model, { settings }),
    openScoring(model, settings),
    openEarlyDecoder(early, rule, { settings }),
  ]);
  try {
    const { differing, depths, leaving } = await judgeEarly(decoder, scoring, prompts, early.depths, options);
    const record = recorder(thisMachine(), { confidence: rule.confidence, threshold: rule.threshold });
    const over = `over ${prompts.length} prompts that neither training nor certifying saw`;
    const figure = (what: string, unit: string, values: Float64Array, words: string): Measurement => ({
      ...record({
        what,
        unit,
        value: mean(values),
        how: 'measured',
        method: `${words}, ${over}.`,
        n: values.length,
      }),
      interval: bootstrapInterval(values.length, (chosen) => mean(chosen, values), { seed }),
    });
    const records = [
      figure(
        'exits.differing',
        '%',
        differing.map((share) => 100 * share),
        'Tokens that the whole model would not choose',
      ),
      figure('exits.depth', '1', depths, 'Layers before a token is chosen'),
      ...leaving.map((share, i) =>
        record({
          what: 'exits.leaving',
          unit: '%',
          value: 100 * share,
          how: 'measured',
          method: `Tokens chosen after ${early.depths[i]} layers, ${over}.`,
          n: prompts.length,
          settings: { layers: early.depths[i]! },
        }),
      ),
    ];
    if (seconds === 0) return records;
    const timed = await continued(whole, prompts.slice(0, MOST_TIMED), options);
    if (timed.length === 0) return records;
    const entries = [
      { name: 'whole', decoder: whole },
      { name: 'early exits', decoder },
    ];
    const [, exits] = await compareDecoders(entries, timed, { seconds, seed, signal });
    return [...records, exits!.ratio];
  } finally {
    await Promise.all([whole.dispose(), scoring.dispose(), decoder.dispose()]);
  }
}

/** Prompts whose continuations are timed. */
const MOST_TIMED = 32;

/** What the whole model writes after the prompts. */
async function continued(
  whole: Decoder,
  prompts: readonly (readonly number[])[],
  { newTokens = 64, stop, signal }: TokenExitsOptions,
): Promise<TimedText[]> {
  const texts: TimedText[] = [];
  for (const prompt of prompts) {
    const tokens: number[] = [];
    for await (const token of generate(whole, prompt, { newTokens, stop, signal })) tokens.push(token);
    // The last token is not read any more, and there may be no room for it.
    if (tokens.length > 1) texts.push({ prompt, tokens: tokens.slice(0, -1) });
  }
  return texts;
}

function mean(values: ArrayLike<number>, of?: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += of === undefined ? values[i]! : of[values[i]!]!;
  return sum / values.length;
}
