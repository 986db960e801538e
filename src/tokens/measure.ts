import { fail, type Progress, Random, SILENT, throwIfAborted } from '../base/index.ts';
import {
  bootstrapInterval,
  type Measurement,
  quantileInterval,
  type Recorder,
  recorder,
  type Settings,
  thisMachine,
} from '../measure/index.ts';
import type { Decoder } from './decoder.ts';

export interface MeasureTokensOptions {
  /** Lengths of the prompts, tokens. Default 32 and 128. */
  readonly promptTokens?: readonly number[];
  /** Tokens that follow a prompt. Default 64. */
  readonly newTokens?: number;
  /** Wall-clock seconds for each length. Default 2; at least six texts are made. */
  readonly seconds?: number;
  /** Of the random prompts and the bootstrap. Default 1. */
  readonly seed?: number;
  /** Goes into every record. */
  readonly settings?: Settings;
  /** Id of the machine. Default: this one. */
  readonly machine?: string;
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

/** What one length of prompt was measured to take. */
export interface TokenPoint {
  readonly promptTokens: number;
  readonly newTokens: number;
  /**
   * prefill.latency (ms until the first token), prefill.throughput (1/s, tokens of the prompt), decode.latency and decode.p99 (ms per
   * token), decode.throughput (1/s).
   */
  readonly records: readonly Measurement[];
}

const LEVEL = 0.95;
const LEAST_ROUNDS = 6;

/**
 * Times reading a prompt (prefill) and making tokens (decode) apart: one text at a time, random tokens, the lengths taking turns. Each
 * step is timed in the thread of the runtime, from the token to the logits; choosing a token and telling of it are not in it.
 * The cost of a token rises with the tokens before it: `decode` is over contexts from promptTokens to promptTokens + newTokens.
 */
export async function measureTokens(
  decoder: Decoder,
  options: MeasureTokensOptions = {},
): Promise<TokenPoint[]> {
  const { promptTokens = [32, 128], newTokens = 64, seconds = 2, seed = 1, signal } = options;
  check(decoder, promptTokens, newTokens);
  const [first] = await decoder.start([[0]]);
  const random = new Random(seed);
  const vocabulary = first!.length;
  const found = promptTokens.map(() => ({ prefill: [] as number[], decode: [] as Float64Array[] }));
  const stage = (options.progress ?? SILENT).stage('tokens', Math.ceil(seconds * promptTokens.length));
  const began = performance.now();
  let shown = 0;
  try {
    for (let round = -1; ; round++) {
      for (const [i, length] of promptTokens.entries()) {
        throwIfAborted(signal);
        const prompt = Array.from({ length }, () => random.below(vocabulary));
        const tokens = Array.from({ length: newTokens }, () => random.below(vocabulary));
        const { prefill, decode } = await decoder.time(prompt, tokens);
        // The round before the first warms up.
        if (round < 0) continue;
        found[i]!.prefill.push(prefill);
        found[i]!.decode.push(decode);
      }
      const spent = (performance.now() - began) / 1000;
      for (; shown < Math.min(spent, seconds * promptTokens.length); shown++) stage.advance();
      if (round + 1 >= LEAST_ROUNDS && spent >= seconds * promptTokens.length) break;
    }
  } finally {
    stage.end();
  }
  const record = recorder(options.machine ?? thisMachine(), options.settings);
  return promptTokens.map((length, i) => ({
    promptTokens: length,
    newTokens,
    records: describe(found[i]!, length, newTokens, seed, record),
  }));
}

function check({ context }: Decoder, prompts: readonly number[], newTokens: number): void {
  for (const count of [...prompts, newTokens]) {
    if (!Number.isInteger(count) || count < 1)
      throw fail('USAGE_BAD_OPTION', `${count} tokens; at least one is needed`);
  }
  const longest = Math.max(...prompts) + newTokens;
  if (longest > context) {
    throw fail('CONTEXT_FULL', `${longest} tokens are asked for, the model has room for ${context}`);
  }
}

function describe(
  { prefill, decode }: { prefill: readonly number[]; decode: readonly Float64Array[] },
  promptTokens: number,
  newTokens: number,
  seed: number,
  record: Recorder,
): Measurement[] {
  const settings = { promptTokens, newTokens };
  const rounds = prefill.length;
  const how = `over ${rounds} texts of random tokens, one at a time, timed beside the computation`;
  const { value: first, ...interval } = quantileInterval(prefill, 0.5, { level: LEVEL });
  const steps = Float64Array.from(decode.flatMap((times) => Array.from(times)));
  const middle = overRounds(decode, seed, (all) => quantileInterval(all, 0.5).value);
  const rate = overRounds(decode, seed, (all) => (1000 * all.length) / all.reduce((sum, ms) => sum + ms, 0));
  const context = `at contexts from ${promptTokens} to ${promptTokens + newTokens} tokens`;
  return [
    record({
      what: 'prefill.latency',
      value: first,
      unit: 'ms',
      interval,
      how: 'measured',
      method: `Median time to read a prompt of ${promptTokens} tokens and have the first logits, ${how}.`,
      n: rounds,
      settings,
    }),
    record({
      what: 'prefill.throughput',
      value: (1000 * promptTokens) / first,
      unit: '1/s',
      interval: {
        ...interval,
        low: (1000 * promptTokens) / interval.high,
        high: (1000 * promptTokens) / interval.low,
      },
      how: 'measured',
      method: `Tokens of the prompt by the median time to read them, ${how}.`,
      n: rounds,
      settings,
    }),
    record({
      what: 'decode.latency',
      value: middle.value,
      unit: 'ms',
      interval: middle.interval,
      how: 'measured',
      method: `Median time per token ${context}, ${how}; the interval resamples texts.`,
      n: steps.length,
      settings,
    }),
    record({
      what: 'decode.p99',
      value: quantileInterval(steps, 0.99).value,
      unit: 'ms',
      how: 'measured',
      method: `99th percentile of the time per token ${context}, ${how}.`,
      n: steps.length,
      settings,
    }),
    record({
      what: 'decode.throughput',
      value: rate.value,
      unit: '1/s',
      interval: rate.interval,
      how: 'measured',
      method: `Tokens by the time they took ${context}, ${how}; the interval resamples texts.`,
      n: steps.length,
      settings,
    }),
  ];
}

/** A figure of all steps, and its interval when texts are drawn anew. */
function overRounds(rounds: readonly Float64Array[], seed: number, figure: (steps: Float64Array) => number) {
  const width = rounds[0]!.length;
  const joined = (chosen: ArrayLike<number>) => {
    const all = new Float64Array(chosen.length * width);
    for (let i = 0; i < chosen.length; i++) all.set(rounds[chosen[i]!]!, i * width);
    return all;
  };
  const value = figure(joined(rounds.map((_, i) => i)));
  const interval = bootstrapInterval(rounds.length, (chosen) => figure(joined(chosen)), {
    seed,
    level: LEVEL,
    resamples: 500,
  });
  return { value, interval };
}
