import pc from 'picocolors';
import { findRecord, type Measurement } from '../measure/index.ts';
import { quantity, textTable } from '../report/index.ts';
import { measureTokens, openDecoder, readModelFolder, type TokenPoint } from '../tokens/index.ts';
import type { Console, Outcome } from './command.ts';
import { numbersOf, secondsOf, wholeOf } from './options.ts';

/** `profile` of a language model: prompts and tokens, each apart, for every number of threads that is asked for. */
export async function profileTokens(
  model: string,
  options: Readonly<Record<string, unknown>>,
  { print, progress, signal }: Pick<Console, 'print' | 'progress' | 'signal'>,
): Promise<Outcome> {
  const { context } = await readModelFolder(model);
  const points: (TokenPoint & { readonly threads: number })[] = [];
  for (const threads of options.threads === undefined ? [1] : numbersOf('threads', options.threads)) {
    const decoder = await openDecoder(model, { context, settings: { threads } });
    try {
      const found = await measureTokens(decoder, {
        promptTokens:
          options.promptTokens === undefined ? undefined : numbersOf('prompt-tokens', options.promptTokens),
        newTokens:
          options.newTokens === undefined ? undefined : wholeOf('new-tokens', options.newTokens, 1, 65536),
        seconds: secondsOf('seconds', options.seconds),
        seed: wholeOf('seed', options.seed, 0, 2 ** 31 - 1),
        settings: { threads },
        progress,
        signal,
      });
      points.push(...found.map((point) => ({ ...point, threads })));
    } finally {
      await decoder.dispose();
    }
  }
  print(`${pc.bold(model)}, a language model; one text at a time`);
  print(
    textTable(
      ['prompt', 'threads', 'prefill', 'tokens/s', 'per new token', 'p99', 'tokens/s', '95 %'],
      points.map(({ promptTokens, threads, records }) => [
        String(promptTokens),
        String(threads),
        show(records, 'prefill.latency'),
        show(records, 'prefill.throughput'),
        show(records, 'decode.latency'),
        show(records, 'decode.p99'),
        show(records, 'decode.throughput'),
        range(records, 'decode.throughput'),
      ]),
    ),
  );
  return { json: { model, points } };
}

function show(records: readonly Measurement[], what: string): string {
  const found = findRecord(records, what);
  return found === undefined ? '–' : quantity(found.value, found.unit === '1/s' ? '' : found.unit).trim();
}

function range(records: readonly Measurement[], what: string): string {
  const interval = findRecord(records, what)?.interval;
  return interval === undefined
    ? ''
    : `${quantity(interval.low, '').trim()} to ${quantity(interval.high, '').trim()}`;
}
