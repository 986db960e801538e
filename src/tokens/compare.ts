import { fail, Random, throwIfAborted } from '../base/index.ts';
import { bootstrapInterval, type Measurement, recorder, thisMachine } from '../measure/index.ts';
import type { Decoder } from './decoder.ts';

/** A prompt, and tokens that follow it. */
export interface TimedText {
  readonly prompt: readonly number[];
  readonly tokens: readonly number[];
}

export interface CompareDecodersOptions {
  /** Wall-clock seconds for all together. Default 5; at least six rounds are made. */
  readonly seconds?: number;
  /** Of the order and the bootstrap. Default 1. */
  readonly seed?: number;
  /** Id of the machine. Default: this one. */
  readonly machine?: string;
  readonly signal?: AbortSignal;
}

/** One decoder against the first. */
export interface ComparedDecoder {
  readonly name: string;
  /** decode.latency: ms per token. Median over rounds of the mean of a round. */
  readonly latency: Measurement;
  /** decode.speed-ratio: how many times as many tokens per second as the first. Median over rounds. */
  readonly ratio: Measurement;
}

const LEAST_ROUNDS = 6;

/**
 * Lets decoders take turns at the same texts, a text a round, in an order drawn anew: whatever the machine does meanwhile meets all of
 * them alike. Only the tokens after the prompts are timed. Throws USAGE_BAD_OPTION, CONTEXT_FULL, and what a decoder throws.
 */
export async function compareDecoders(
  decoders: readonly { readonly name: string; readonly decoder: Decoder }[],
  texts: readonly TimedText[],
  options: CompareDecodersOptions = {},
): Promise<ComparedDecoder[]> {
  const { seconds = 5, seed = 1, signal } = options;
  if (decoders.length === 0 || texts.length === 0 || texts.some(({ tokens }) => tokens.length === 0)) {
    throw fail('USAGE_BAD_OPTION', 'a comparison needs decoders, and texts with tokens after their prompts');
  }
  const random = new Random(seed);
  const order = decoders.map((_, i) => i);
  /** Milliseconds per token, [decoder][round]. */
  const times: number[][] = decoders.map(() => []);
  const began = performance.now();
  // The round before the first warms up.
  for (let round = -1; round < LEAST_ROUNDS || (performance.now() - began) / 1000 < seconds; round++) {
    const { prompt, tokens } = texts[(round + 1) % texts.length]!;
    if (round % 2 === 0) random.shuffle(order);
    else order.reverse();
    for (const i of order) {
      throwIfAborted(signal);
      const { decode } = await decoders[i]!.decoder.time(prompt, tokens);
      if (round >= 0) times[i]!.push(undisturbed(decode));
    }
  }
  const record = recorder(options.machine ?? thisMachine(), { texts: texts.length });
  const how = `over ${times[0]!.length} rounds in which all read the same text, one after the other`;
  return decoders.map(({ name }, i) => {
    const ratios = times[i]!.map((time, round) => times[0]![round]! / time);
    const figure = (what: string, unit: string, values: readonly number[], words: string) =>
      record({
        what,
        unit,
        value: median(values),
        interval: bootstrapInterval(
          values.length,
          (chosen) => median(Array.from(chosen, (at) => values[at]!)),
          {
            seed,
            level: 0.95,
          },
        ),
        how: 'measured',
        method: `${words}, ${how}.`,
        n: values.length,
        settings: { decoder: name },
      });
    return {
      name,
      latency: figure(
        'decode.latency',
        'ms',
        times[i]!,
        'Median of the mean time per token, steps above four medians cut',
      ),
      ratio: figure(
        'decode.speed-ratio',
        '1',
        ratios,
        `Median of tokens per second by those of ${decoders[0]!.name}`,
      ),
    };
  });
}

/** A step of more than so many medians of its round is one in which somebody else had the core; it counts as these. */
const DISTURBED = 4;

/** Mean time of a step, those that were disturbed cut. Steps that leave early or late differ by less than that. */
function undisturbed(steps: Float64Array): number {
  const most = DISTURBED * median(Array.from(steps));
  return steps.reduce((sum, ms) => sum + Math.min(ms, most), 0) / steps.length;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
