import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { buffered, type Dataset, split } from '../src/data/index.ts';
import type { Model } from '../src/graph/index.ts';
import {
  type Comparison,
  compareEvaluations,
  costPerMillion,
  type Evaluation,
  evaluate,
  type Metric,
  metricByName,
} from '../src/measure/index.ts';
import { optimize, type Rates, ratesOf } from '../src/optimize/index.ts';
import { describeMachine, openSession, type Session } from '../src/run/index.ts';
import { openStaged, type StagedModel } from '../src/staged/index.ts';
import { option, wanted } from './arguments.ts';
import { heading } from './heading.ts';
import { type HeadlineCase, headlineCases } from './headline-cases.ts';
import { race, SEED, type Setting } from './race.ts';
import { scratch } from './shared-models.ts';
import { ourVariants } from './variants.ts';

/**
 * The headline: every shared model and every example under onnxruntime-node's defaults, with the best 8-bit quantization alone
 * (the same settings), and with all that `optimize` does. All three take turns in one run and are judged on the same held-out
 * samples. `npm run bench -- headline [names] [--budget 300] [--seconds 10] [--out out/headline.json]`.
 */
const budget = Number(option('budget') ?? '300');
const seconds = Number(option('seconds') ?? '10');
const out = resolve(option('out') ?? 'out/headline.json');

type Kind = 'default' | 'int8' | 'everything';

/** One row of the table. Ratios are to the default. */
interface Row {
  readonly model: string;
  readonly note: string;
  readonly kind: Kind;
  readonly title: string;
  readonly settings: string;
  /** ms of one call with one sample. */
  readonly latency: Span;
  /** Samples per second. */
  readonly throughput: Span;
  readonly latencyRatio: Span;
  readonly throughputRatio: Span;
  readonly dollarsPerMillion: Span;
  /** By CPU time and watts per core; absent where the processor's are not known. */
  readonly joulesPerMillion?: Span;
  readonly metric: string;
  readonly accuracy: Span;
  /** Against the default, one-sided 95 % above. */
  readonly drop: Span;
  readonly samples: number;
}

interface Span {
  readonly value: number;
  readonly low?: number;
  readonly high?: number;
}

interface Entry {
  readonly kind: Kind;
  readonly title: string;
  readonly model: Model | string;
  /** With early exits: the stages, which answer batches; `model` is then one file for single samples. */
  readonly staged?: StagedModel;
  /** For throughput, and for a single call. */
  readonly setting?: Setting;
  readonly single?: Setting;
  readonly words: string;
}

const metrics = new Map<string, Metric>();
const rates = ratesOf(describeMachine(), {});
const { cases, absent } = headlineCases();
console.log(heading(`seed ${SEED}, ${budget} s of search each, races of ${seconds} s`));
for (const name of absent) console.log(`skipped: data absent for ${name}`);
console.log(
  '| model | | chosen | metric, held out | lost (at most) | one call | throughput | $ per million | J per million | cheaper |',
);
console.log('|---|---|---|---|---|---|---|---|---|---|');
const rows: Row[] = [];
for (const one of cases.filter(({ name }) => wanted(name))) {
  const found = await rowsOf(one);
  rows.push(...found);
  for (const row of found) console.log(line(row));
  mkdirSync(join(out, '..'), { recursive: true });
  const head = { machine: describeMachine(), rates, seed: SEED, budget, at: new Date().toISOString() };
  writeFileSync(out, `${JSON.stringify({ ...head, rows }, null, 1)}\n`);
}

async function rowsOf(one: HeadlineCase): Promise<Row[]> {
  const data = await buffered(await one.data());
  const parts = await split(data, { seed: SEED });
  const { story, model, staged } = await optimize({
    model: one.model,
    data,
    trainingData: await one.training?.(),
    goal: { metric: one.metric, maxDrop: one.maxDrop, minimize: 'cost' },
    metricOptions: { output: one.output },
    budget,
    seed: SEED,
    out: join(scratch(), one.name),
  });
  const chosen = story.variants.find(({ id }) => id === story.chosen)!;
  const entries: Entry[] = [{ kind: 'default', title: 'as given', model: one.model, words: 'defaults' }];
  const int8 = await bestInt8(one, parts.calibration, parts.search);
  if (int8 !== undefined) entries.push({ kind: 'int8', words: 'defaults', ...int8 });
  entries.push({
    kind: 'everything',
    title: chosen.title,
    model,
    staged,
    setting: story.settings as Setting,
    single: story.latencySettings as Setting,
    words: String(chosen.settings.run),
  });
  const inBatches = entries.map((entry) => ({
    ...entry,
    model: (entry.setting?.batch ?? 1) > 1 ? (entry.staged ?? entry.model) : entry.model,
  }));
  const many = await race(inBatches, parts.heldOut, seconds);
  const single = await race(
    entries.map(({ title, model, single }) => ({ title, model, setting: single })),
    parts.heldOut,
    seconds / 2,
  );
  const judged = await accuracies(one, entries, parts.heldOut);
  return entries.map((entry, i) => rowOf(one, entry, many[i]!, single[i]!, judged[0]!, judged[i]!));
}

/** Of our quantizations to 8 bits of the cleaned model: the fastest at default settings that keeps the bound on the search part. */
async function bestInt8(
  one: HeadlineCase,
  calibration: Dataset,
  search: Dataset,
): Promise<{ title: string; model: Model } | undefined> {
  const shared = { ...one, data: () => one.data() };
  const variants = (await ourVariants(shared, calibration)).filter(
    ({ title, model }) => model !== undefined && title !== 'float, cleaned',
  );
  const able: { title: string; model: Model | string }[] = [];
  const entries = variants.map(({ title, model }) => ({
    kind: 'int8' as const,
    title,
    model: model!,
    words: '',
  }));
  const given: Entry = { kind: 'default', title: 'as given', model: one.model, words: '' };
  const judged = await accuracies(one, [given, ...entries], search);
  for (const [i, entry] of entries.entries()) {
    if (dropOf(one, judged[0]!, judged[i + 1]!).value <= one.maxDrop) able.push(entry);
  }
  if (able.length === 0) return undefined;
  const raced = await race([given, ...able], search, Math.max(2, seconds / 2));
  const best = able
    .map((entry, i) => ({ entry, speed: raced[i + 1]!.throughputRatio.value }))
    .sort((a, b) => b.speed - a.speed)[0]!;
  return { title: best.entry.title, model: best.entry.model as Model };
}

/** One object a model: some metrics learn from the first batch how wide their rows are. */
function metricOf({ name, metric, output }: HeadlineCase): Metric {
  const found = metrics.get(name) ?? metricByName(metric, { output });
  metrics.set(name, found);
  return found;
}

async function accuracies(
  one: HeadlineCase,
  entries: readonly Entry[],
  data: Dataset,
): Promise<Evaluation[]> {
  const metric = metricOf(one);
  const reference: Session | undefined = metric.needs.reference ? await openSession(one.model) : undefined;
  const found: Evaluation[] = [];
  try {
    for (const { model, staged } of entries) {
      const session: Session = staged === undefined ? await openSession(model) : await openStaged(staged);
      try {
        found.push(await evaluate(session, data, metric, { reference, seed: SEED }));
      } finally {
        await session.dispose();
      }
    }
  } finally {
    await reference?.dispose();
  }
  return found;
}

function dropOf(one: HeadlineCase, before: Evaluation, after: Evaluation): Span {
  const metric = metricOf(one);
  const { value, interval } = compareEvaluations(before, after, metric, { oneSided: true, seed: SEED });
  return { value, low: interval.low, high: interval.high };
}

function rowOf(
  one: HeadlineCase,
  entry: Entry,
  many: Comparison,
  single: Comparison,
  before: Evaluation,
  after: Evaluation,
): Row {
  const span = ({ value, interval }: { value: number; interval?: { low: number; high: number } }): Span => ({
    value,
    ...(interval && { low: interval.low, high: interval.high }),
  });
  const dollars = costPerMillion(many.throughput, { price: rates.price, utilisation: 1 })[0]!;
  return {
    model: one.name,
    note: one.note,
    kind: entry.kind,
    title: entry.title,
    settings: entry.words,
    latency: span(single.latency),
    throughput: span(many.throughput),
    latencyRatio: span(single.latencyRatio),
    throughputRatio: span(many.throughputRatio),
    dollarsPerMillion: span(dollars),
    joulesPerMillion: joules(many.cpu.value, rates),
    metric: one.metric,
    accuracy: span(after),
    drop: dropOf(one, before, after),
    samples: after.n,
  };
}

function joules(cpuSeconds: number, { watts }: Rates): Span | undefined {
  if (watts === undefined) return undefined;
  const million = 1e6 * cpuSeconds;
  return { value: million * watts.value, low: million * watts.low, high: million * watts.high };
}

function line(row: Row): string {
  const { kind, metric, accuracy, drop, samples } = row;
  const say = ({ value, low, high }: Span, digits = 3) => {
    const text = (x: number) => String(Number(x.toPrecision(digits)));
    return low === undefined || high === undefined
      ? text(value)
      : `${text(value)} (${text(low)}–${text(high)})`;
  };
  const cells = [
    row.model,
    { default: 'default', int8: 'best int8 alone', everything: 'everything' }[kind],
    kind === 'default' ? '' : `${row.title}; ${row.settings}`,
    `${metric} ${say(accuracy, 4)}, n ${samples}`,
    kind === 'default'
      ? ''
      : `${Number(drop.value.toPrecision(2))} (${Number((drop.high ?? Number.NaN).toPrecision(2))})`,
    `${say(row.latency)} ms`,
    `${say(row.throughput)} /s`,
    say(row.dollarsPerMillion),
    row.joulesPerMillion === undefined ? 'not known' : say(row.joulesPerMillion),
    kind === 'default' ? '1' : `**${say(row.throughputRatio)}x**`,
  ];
  return `| ${cells.join(' | ')} |`;
}
