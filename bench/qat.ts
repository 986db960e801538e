import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { judgedBy } from '../examples/task.ts';
import { TASKS } from '../examples/tasks.ts';
import { Random, SILENT } from '../src/base/index.ts';
import { type Dataset, subset } from '../src/data/index.ts';
import { loadModel, saveModel } from '../src/files/index.ts';
import type { Model } from '../src/graph/index.ts';
import { compareEvaluations, type Evaluation, evaluate, metricByName } from '../src/measure/index.ts';
import { openSession } from '../src/run/index.ts';
import {
  adaround,
  architectureByName,
  type LossRequest,
  normalizeInputs,
  quantizeAware,
  train,
} from '../src/train/index.ts';
import { cleanUp, type FusionReport, freeBatch } from '../src/transform/index.ts';
import { ROOT, sharedData } from '../test/shared-data.ts';
import { wanted } from './arguments.ts';
import { heading } from './heading.ts';
import { mnist } from './mnist.ts';
import { SEED } from './race.ts';

/**
 * Post-training quantization, AdaRound and quantization-aware training at 8 and 4 bits: what is lost on samples apart.
 * `npm run bench -- qat [model...] [--validate]`: with --validate on the part that settings are chosen by.
 */
interface Case {
  readonly name: string;
  readonly model: Model;
  readonly train: Dataset;
  readonly judged: Dataset;
  /** Of `output` against `target`, a field of the data or 'labels'. */
  readonly metric: string;
  readonly output?: string;
  readonly target: string;
  readonly losses?: readonly LossRequest[];
}

/** Training samples and epochs of quantization-aware training. */
const SAMPLES = 15_000;
const EPOCHS = 6;
const BATCH = 64;
/** One thread: runs repeat to the bit. */
const SETTINGS = { threads: 1 };

const WAYS = [
  { bits: 8, scheme: 'static', words: ['int8 per channel', 'uint8'] },
  { bits: 4, scheme: 'static', words: ['4 bits per channel', 'uint8'] },
  { bits: 4, scheme: 'weights', words: ['4 bits in blocks of 32', 'float'] },
] as const;

const validate = process.argv.includes('--validate');
console.log(heading(`seed ${SEED}, 1 thread`));
for (const [name, open] of cases()) {
  if (!wanted(name)) continue;
  const found = await open();
  if (typeof found === 'string') console.log(`skipped: ${found}\n`);
  else await table(found);
}

function cases(): [string, () => Promise<Case | string>][] {
  return [
    ['mnist-8', async () => digits('mnist-8', async () => sharedData('mnist/mnist-8.onnx'))],
    ['mnist-ds-cnn', async () => digits('mnist-ds-cnn', lightNet)],
    ...TASKS.flatMap((task) =>
      (['light', 'heavy'] as const).map((size): [string, () => Promise<Case | string>] => {
        const name = `${task.name}-${size}`;
        return [name, () => example(task, name, join(ROOT, 'examples', task.name, `${size}.onnx`))];
      }),
    ),
  ];
}

async function digits(
  name: string,
  modelOf: (data: Dataset) => Promise<string | undefined>,
): Promise<Case | string> {
  const parts = await mnist();
  const path = parts && (await modelOf(parts.train));
  if (parts === undefined || path === undefined) return `data absent for ${name}`;
  return {
    name,
    model: await cleaned(await loadModel(path)),
    train: some(parts.train),
    judged: validate ? parts.validation : parts.test,
    metric: 'top1',
    target: 'labels',
  };
}

async function example(task: (typeof TASKS)[number], name: string, path: string): Promise<Case | string> {
  if (!existsSync(path)) return `${name} is not trained yet (npm run examples:train)`;
  const { name: output, metric, target } = task.outputs[0]!;
  return {
    name,
    model: await cleaned(await loadModel(path)),
    train: await task.train(SEED, Math.min(SAMPLES, task.samples)),
    judged: validate ? await task.validation() : await task.test(),
    metric,
    output,
    target,
    losses: task.outputs.map(({ name: of, loss, target: to, weight }) => ({
      output: of,
      loss,
      target: to,
      weight,
    })),
  };
}

/** Depthwise convolutions, whose few weights a channel suffer the most; trained once and kept in out/bench/. */
async function lightNet(data: Dataset): Promise<string> {
  const path = resolve('out/bench/qat-ds-cnn.onnx');
  if (existsSync(path)) return path;
  const field = data.fields[0]!;
  const task = {
    inputs: [{ name: field.name, dtype: field.dtype, shape: ['N', ...field.dims] }],
    outputs: [{ name: 'scores', dtype: 'float32', shape: ['N', 10], kind: 'classes' }],
  } as const;
  const raw = architectureByName('ds-cnn').build(task, { width: 0.25 }, new Random(SEED));
  const normalized = await normalizeInputs(raw, data);
  const { model } = await train(normalized, data, { epochs: 4, rate: 4e-3, seed: SEED, settings: SETTINGS });
  mkdirSync(resolve('out/bench'), { recursive: true });
  await saveModel(model, path);
  return path;
}

function some(data: Dataset): Dataset {
  const step = Math.ceil(data.size / SAMPLES);
  return subset(
    data,
    Array.from({ length: Math.floor(data.size / step) }, (_, i) => i * step),
  );
}

/** As a quantized model is: the graph cleaned and the batch freed. */
async function cleaned(model: Model): Promise<Model> {
  const context = { seed: SEED, progress: SILENT };
  const { model: clean } = await cleanUp.apply(model, cleanUp.defaults, context);
  return (await freeBatch.apply(clean, freeBatch.defaults, context)).model;
}

async function table(one: Case): Promise<void> {
  const metric = metricByName(one.metric, { output: one.output });
  const test = judgedBy(one.judged, one.target);
  const judge = async (model: Model): Promise<Evaluation> => {
    const session = await openSession(model, SETTINGS);
    try {
      return await evaluate(session, test, metric, { batch: 64, seed: SEED });
    } finally {
      await session.dispose();
    }
  };
  const digitsOf = metric.unit === '%' ? 2 : 4;
  const before = await judge(one.model);
  const say = ({ value, interval: { low, high } }: Pick<Evaluation, 'value' | 'interval'>) =>
    `${value.toFixed(digitsOf)} (${low.toFixed(digitsOf)} to ${high.toFixed(digitsOf)})`;
  const unit = metric.unit === '%' ? ', %' : '';
  console.log(
    `**${one.name}**: ${metric.name}${unit} on ${before.n} samples apart; float ${say(before)}; ${one.train.size} training samples, ${EPOCHS} epochs\n`,
  );
  console.log(
    '| weights | activations | rounded | result (95 %) | lost (paired 95 %) | integers | seconds |',
  );
  console.log('|---|---|---|---|---|---|---|');
  const row = async (words: readonly string[], { model, integers, seconds }: Made) => {
    const after = await judge(model);
    const lost = compareEvaluations(before, after, metric, { seed: SEED });
    console.log(
      `| ${words.join(' | ')} | ${say(after)} | ${say(lost)} | ${integers} | ${seconds?.toFixed(0) ?? ''} |`,
    );
  };
  for (const { bits, scheme, words } of WAYS) {
    try {
      const learned = await timed(() =>
        quantizeAware(one.model, one.train, {
          bits,
          scheme,
          epochs: EPOCHS,
          batch: BATCH,
          losses: one.losses,
          seed: SEED,
          settings: SETTINGS,
        }),
      );
      await row([...words, 'to the nearest'], { ...learned, model: learned.before, seconds: undefined });
      if (scheme === 'static') {
        const rounded = await timed(() =>
          adaround(one.model, one.train, { bits, seed: SEED, threads: SETTINGS.threads }),
        );
        await row([...words, 'AdaRound'], rounded);
      }
      await row([...words, `quantization-aware (integers: ${learned.rounded})`], learned);
    } catch (cause) {
      console.log(`| ${words.join(' | ')} | ${(cause as Error).message} | | | | |`);
    }
  }
  console.log('');
}

interface Made {
  readonly model: Model;
  readonly integers: string;
  readonly seconds: number | undefined;
}

async function timed<T extends { fusion: FusionReport }>(
  make: () => Promise<T>,
): Promise<Omit<T, 'seconds'> & { integers: string; seconds: number }> {
  const started = performance.now();
  const made = await make();
  return { ...made, integers: fused(made.fusion), seconds: (performance.now() - started) / 1000 };
}

/** How many of the nodes that are meant to run on integers do. */
function fused({ nodes }: FusionReport): string {
  return `${nodes.filter(({ status }) => status === 'fused').length} of ${nodes.length}`;
}
