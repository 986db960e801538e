import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { judgedBy } from '../examples/task.ts';
import { TASKS } from '../examples/tasks.ts';
import { SILENT } from '../src/base/index.ts';
import { type Dataset, subset } from '../src/data/index.ts';
import { loadModel } from '../src/files/index.ts';
import { costOf, type Model } from '../src/graph/index.ts';
import {
  type Comparison,
  compareEvaluations,
  type Evaluation,
  evaluate,
  metricByName,
} from '../src/measure/index.ts';
import { openSession } from '../src/run/index.ts';
import { type DistillOptions, type LossRequest, prune } from '../src/train/index.ts';
import { cleanUp, freeBatch } from '../src/transform/index.ts';
import { ROOT, sharedData } from '../test/shared-data.ts';
import { wanted } from './arguments.ts';
import { heading } from './heading.ts';
import { mnist } from './mnist.ts';
import { race, SEED } from './race.ts';

/**
 * Models at 2, 4 and 8 times fewer multiply-accumulates: how good right after the cut, after least squares, after training, and how
 * much faster. `npm run bench -- prune [model...] [--validate]`: with --validate on the part that settings are chosen by.
 */
interface Case {
  readonly name: string;
  readonly model: string;
  readonly train: Dataset;
  readonly test: Dataset;
  /** Of `output` against `target`, a field of the data or 'labels'. */
  readonly metric: string;
  readonly output?: string;
  readonly target: string;
  readonly tune: DistillOptions;
  readonly roundTo?: number;
}

const FEWER = [2, 4, 8];
const STAGES = ['cut', 'repaired', 'tuned'] as const;
const BATCHES = [1, 32];
/** Training samples, so that a cut takes a minute. */
const SAMPLES = 30_000;
/** As `modicum prune` does: channels that fill no vector register cost as if they did. */
const ROUND_TO = 8;
/** One thread: the others on the machine would decide otherwise. */
const THREADS = 1;
const RACE_SECONDS = 3;
const validate = process.argv.includes('--validate');

console.log(heading(`seed ${SEED}, ${THREADS} thread`));
for (const open of cases()) {
  const found = await open();
  if (typeof found === 'string') console.log(`skipped: ${found}\n`);
  else await table(found);
}

function cases(): (() => Promise<Case | string>)[] {
  const tune: DistillOptions = { epochs: 6, rate: 2e-3, clip: 1, settings: { threads: THREADS } };
  const examples = TASKS.map((task) => async (): Promise<Case | string> => {
    const model = join(ROOT, 'examples', task.name, 'heavy.onnx');
    if (!existsSync(model)) return `${task.name} is not trained yet (npm run examples:train)`;
    const losses = task.outputs.map(
      ({ name: output, loss, target, weight }): LossRequest => ({ output, loss, target, weight }),
    );
    const { name: output, metric, target } = task.outputs[0]!;
    const train = await task.train(SEED, Math.min(SAMPLES, task.samples));
    return {
      name: task.name,
      model,
      train,
      test: await (validate ? task.validation() : task.test()),
      metric,
      output,
      target,
      tune: { ...tune, losses },
    };
  });
  const digits = async (): Promise<Case | string> => {
    const parts = await mnist();
    const model = sharedData('mnist/mnist-8.onnx');
    if (parts === undefined || model === undefined) return 'data absent for mnist-8';
    const step = Math.ceil(parts.train.size / SAMPLES);
    const test = validate ? parts.validation : parts.test;
    const some = Array.from({ length: Math.floor(parts.train.size / step) }, (_, i) => i * step);
    const train = subset(parts.train, some);
    return {
      name: 'mnist-8',
      model,
      train,
      test,
      metric: 'top1',
      target: 'labels',
      tune: { ...tune, epochs: 8, rate: 6e-3 },
      // It has 8 and 16 channels.
      roundTo: 1,
    };
  };
  const all = [['mnist-8', digits], ...TASKS.map(({ name }, i) => [name, examples[i]!])] as const;
  return all
    .filter(([name]) => wanted(name as string))
    .map(([, open]) => open as () => Promise<Case | string>);
}

async function table(one: Case): Promise<void> {
  const metric = metricByName(one.metric, { output: one.output });
  const test = judgedBy(one.test, one.target);
  const judge = async (model: Model): Promise<Evaluation> => {
    const session = await openSession(model, { threads: THREADS });
    try {
      return await evaluate(session, test, metric, { batch: 64, seed: SEED });
    } finally {
      await session.dispose();
    }
  };
  const original = await cleaned(await loadModel(one.model));
  const before = await judge(original);
  const { macs } = costOf(original).total;
  const unit = metric.unit === '%' ? ' %' : '';
  const digits = metric.unit === '%' ? 2 : 4;
  const say = (evaluation: Evaluation) => `${evaluation.value.toFixed(digits)}${unit}`;
  console.log(
    `**${one.name}**: ${metric.name} on ${before.n} ${validate ? 'validation' : 'test'} samples; as given ${say(before)}, ${macs.toLocaleString('en')} MACs; ${one.train.size} training samples, ${one.tune.epochs} epochs\n`,
  );
  console.log(
    '| fewer MACs | MACs left | after the cut | after least squares | after training | lost by then (95 %) | one sample a call | 32 a call |',
  );
  console.log('|---|---|---|---|---|---|---|---|');
  for (const times of FEWER) {
    const seen = new Map<(typeof STAGES)[number], Evaluation>();
    const started = performance.now();
    const result = await prune(original, one.train, {
      ratio: 1 - 1 / times,
      limits: { roundTo: one.roundTo ?? ROUND_TO },
      tune: one.tune,
      seed: SEED,
      watch: async (stage, _round, model) => void seen.set(stage, await judge(model)),
    });
    const seconds = ((performance.now() - started) / 1000).toFixed(0);
    console.error(`${one.name}, ${times}x: ${seconds} s with training and judging`);
    const { value, interval } = compareEvaluations(before, seen.get('tuned')!, metric, { seed: SEED });
    const lost = [value, interval.low, interval.high].map((figure) => figure.toFixed(digits));
    const short = result.rounds.every(({ reached }) => reached) ? '' : ', no more to cut';
    const left = `${result.macs.toLocaleString('en')} (${(macs / result.macs).toFixed(1)}x${short})`;
    const stages = STAGES.map((stage) => say(seen.get(stage)!));
    const speeds = [];
    for (const batch of BATCHES) speeds.push(await speedup(original, result.model, test, batch));
    console.log(
      `| ${times}x | ${left} | ${stages.join(' | ')} | ${lost[0]} (${lost[1]} to ${lost[2]}) | ${speeds.join(' | ')} |`,
    );
  }
  console.log('');
}

/** As a pruned model is: the graph cleaned and the batch freed, so that the cut alone is compared. */
async function cleaned(model: Model): Promise<Model> {
  const context = { seed: SEED, progress: SILENT };
  const { model: clean } = await cleanUp.apply(model, cleanUp.defaults, context);
  return (await freeBatch.apply(clean, freeBatch.defaults, context)).model;
}

async function speedup(before: Model, after: Model, data: Dataset, batch: number): Promise<string> {
  const setting = { batch, threads: THREADS, instances: 1 };
  const entries = [
    { title: 'whole', model: before, setting },
    { title: 'pruned', model: after, setting },
  ];
  const [, pruned] = (await race(entries, data, RACE_SECONDS)) as [Comparison, Comparison];
  const { value, interval } = pruned.speedRatio;
  const range = interval && ` (${interval.low.toFixed(2)}–${interval.high.toFixed(2)})`;
  return `**${value.toFixed(2)}x**${range ?? ''}`;
}
