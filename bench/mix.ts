import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { concatenate, type Dataset } from '../src/data/index.ts';
import { loadModel } from '../src/files/index.ts';
import { type MixResult, mixPrecision } from '../src/mix/index.ts';
import { PRECISIONS, type Precision } from '../src/transform/index.ts';
import { option, wanted } from './arguments.ts';
import { heading } from './heading.ts';
import { type HeadlineCase, headlineCases } from './headline-cases.ts';
import { SEED } from './race.ts';
import { spokenDigits } from './spoken-digits.ts';

/**
 * A precision for each layer against the best that one precision for all gives, both within the same bound on the loss, on samples that
 * chose neither: `npm run bench -- mix [names] [--seconds 10] [--candidates 16] [--batch 1] [--threads N] [--precisions fp32,int8,int4]
 * [--drop POINTS] [--digits MODEL] [--quick]`. --quick: short races and few candidates, to see that all works.
 */
const quick = process.argv.includes('--quick');
const seconds = Number(option('seconds') ?? (quick ? 1 : 10));
const candidates = Number(option('candidates') ?? (quick ? 4 : 16));
const batch = Number(option('batch') ?? '1');
const threads = option('threads') === undefined ? undefined : Number(option('threads'));
const precisions = option('precisions')?.split(',') as readonly string[] | undefined;
const drop = option('drop') === undefined ? undefined : Number(option('drop'));
/** The teacher that `bench distill digits` trains. */
const digits = resolve(option('digits') ?? 'out/bench/teacher-digits.onnx');

async function main(): Promise<void> {
  const unknown = precisions?.find((one) => !(PRECISIONS as readonly string[]).includes(one));
  if (unknown !== undefined) throw new Error(`no precision "${unknown}"; there are ${PRECISIONS.join(', ')}`);
  const setting = `batch ${batch}, ${threads === undefined ? 'all cores' : `${threads} threads`}`;
  console.log(heading(`seed ${SEED}, ${setting}, races of ${seconds} s, one-sided 95 % bounds on the loss`));
  const { cases, absent } = headlineCases();
  if (existsSync(digits)) cases.push(spokenDigitsCase());
  else absent.push('spoken-digits (npm run bench -- distill digits)');
  for (const name of absent.filter(wanted)) console.log(`skipped: ${name} is not here`);
  console.log(
    '| model | bound | best uniform | lost (at most) | best mix | lost (at most) | mix over uniform | verdict |',
  );
  console.log('|---|---|---|---|---|---|---|---|');
  const verdicts: Record<MixResult['verdict'], number> = { mixed: 0, uniform: 0, fp32: 0 };
  for (const one of cases.filter(({ name }) => wanted(name))) {
    const result = await run(one).catch((cause: unknown) => cause);
    if (result instanceof Error)
      console.log(`| ${one.name} | | ${result.message.split('\n')[0]} | | | | | |`);
    else {
      const found = result as MixResult;
      verdicts[found.verdict]++;
      console.log(row(one, found));
    }
  }
  console.log(
    `\na mix is best on ${verdicts.mixed}, one 8 or 4-bit precision on ${verdicts.uniform}, fp32 on ${verdicts.fp32} of the models`,
  );
}

async function run(one: HeadlineCase): Promise<MixResult> {
  return mixPrecision(await loadModel(one.model), await one.data(), {
    metric: one.metric,
    metricOptions: { output: one.output },
    maxDrop: drop ?? one.maxDrop,
    precisions: precisions as readonly Precision[] | undefined,
    seconds,
    candidates,
    batch,
    threads,
    samples: quick ? 64 : 256,
    seed: SEED,
    // Measured anew, so that the figures are those of this run.
    cache: false,
  });
}

function spokenDigitsCase(): HeadlineCase {
  return {
    name: 'spoken-digits',
    model: digits,
    metric: 'top1',
    maxDrop: 1,
    note: 'the teacher of bench distill',
    data: async (): Promise<Dataset> => {
      const parts = await spokenDigits();
      if (parts === undefined) throw new Error('the recordings are not here');
      return concatenate([parts.validation, parts.test]);
    },
  };
}

function row({ name, metric, maxDrop }: HeadlineCase, result: MixResult): string {
  const { bestUniform, bestMix, verdict } = result;
  const digitsOf = (value: number | undefined) => value?.toPrecision(3) ?? '–';
  const lost = (one: MixResult['bestUniform'] | undefined) =>
    one?.heldOut === undefined
      ? '–'
      : `${digitsOf(one.heldOut.drop.value)} (${digitsOf(one.heldOut.drop.interval.high)})`;
  const { value, interval } = bestMix?.against.speedRatio ?? {};
  const ratio =
    value === undefined
      ? '–'
      : `**${value.toFixed(3)}x** (${digitsOf(interval?.low)}–${digitsOf(interval?.high)})`;
  const cells = [
    name,
    `${metric} ${drop ?? maxDrop}`,
    `${bestUniform.title}, ${digitsOf(bestUniform.speed?.latency.value)} ms`,
    lost(bestUniform),
    bestMix?.variant.title ?? 'none holds',
    lost(bestMix?.variant),
    ratio,
    verdict === 'mixed' ? 'mixed' : `uniform is best (${bestUniform.title})`,
  ];
  return `| ${cells.join(' | ')} |`;
}

await main();
