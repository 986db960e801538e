import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Progress, Random } from '../src/base/index.ts';
import { saveModel, writeFileAtomically } from '../src/files/index.ts';
import { costOf, encodeModel, type Model } from '../src/graph/index.ts';
import { evaluate, metricByName } from '../src/measure/index.ts';
import { openSession } from '../src/run/index.ts';
import {
  type ArchitectureName,
  architectureByName,
  distill,
  type FitOptions,
  type LossRequest,
  normalizeInputs,
  type Task,
  train,
} from '../src/train/index.ts';
import { ROOT } from '../test/shared-data.ts';
import { type ExampleTask, judgedBy } from './task.ts';
import { TASKS } from './tasks.ts';

/**
 * `npm run examples:train -- [example...] [--seed N] [--quick] [--threads N]`: trains the heavy and the light model of each example from nothing,
 * the light one from labels alone and by distillation, and prints what each reaches on the test part. `--quick` sees a twentieth of
 * the data once: to try the script, not to use the models. One thread is the faster choice on a machine that others use too.
 */
interface Plan {
  readonly heavy: readonly [ArchitectureName, Readonly<Record<string, unknown>>];
  readonly light: readonly [ArchitectureName, Readonly<Record<string, unknown>>];
  readonly fit: FitOptions;
  /** Of the light model: it is small, and can be taught for longer. */
  readonly lightFit?: FitOptions;
}

const PLANS: Readonly<Record<string, Plan>> = {
  'keyword-spotter': {
    heavy: ['residual-cnn', { width: 1, depth: 0.5 }],
    light: ['ds-cnn', { width: 0.375 }],
    fit: { epochs: 7, batch: 64, rate: 3e-3, decay: 1e-3, optimizer: 'adamw', average: 0.99 },
    lightFit: { epochs: 10, batch: 64, rate: 5e-3, decay: 1e-3, optimizer: 'adamw', average: 0.99 },
  },
  recommender: {
    heavy: ['recommender', { width: 1.25, embedding: 16, probabilities: false }],
    light: ['recommender', { width: 0.25, embedding: 4, probabilities: false }],
    // Tables of ids learn their samples by heart: this decay gained two points of AUC on the validation part.
    fit: { epochs: 4, batch: 512, rate: 2e-3, decay: 0.3, optimizer: 'adamw' },
    lightFit: { epochs: 4, batch: 512, rate: 2e-3, decay: 0.05, optimizer: 'adamw' },
  },
  driving: {
    // The angle depends on where something is, which one mean over the picture forgets.
    heavy: ['residual-cnn', { width: 1, depth: 0.5, cells: 3 }],
    light: ['residual-cnn', { width: 0.25, depth: 0.5, cells: 3 }],
    fit: { epochs: 10, batch: 64, rate: 3e-3, decay: 1e-3, optimizer: 'adamw', average: 0.99 },
    lightFit: { epochs: 14, batch: 64, rate: 5e-3, decay: 1e-3, optimizer: 'adamw', average: 0.99 },
  },
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string', default: '0' },
    quick: { type: 'boolean', default: false },
    threads: { type: 'string' },
  },
});
const [seed, quick] = [Number(values.seed), values.quick];
for (const task of TASKS) {
  if (positionals.length === 0 || positionals.includes(task.name)) await trainExample(task.name, task);
}

async function trainExample(name: string, task: ExampleTask): Promise<void> {
  const plan = PLANS[name]!;
  const data = await task.train(seed, quick ? Math.ceil(task.samples / 20) : task.samples);
  const threads = values.threads === undefined ? {} : { settings: { threads: Number(values.threads) } };
  const short = { ...threads, ...(quick ? { epochs: 1 } : {}) };
  const losses = task.outputs.map(
    ({ name: output, loss, target, weight }): LossRequest => ({ output, loss, target, weight }),
  );
  const shape = taskOf(task);
  const make = async ([kind, options]: Plan['heavy']) =>
    normalizeInputs(architectureByName(kind).build(shape, options, new Random(seed + 1)), data);
  console.log(`\n${name}: ${task.summary}; ${data.size} training samples, seed ${seed}`);
  const rows: Record<string, unknown>[] = [];
  const progress = lineProgress();
  const note = async (title: string, model: Model, seconds: number) => {
    const figures = await figuresOf(model, task);
    const { macs, parameters } = costOf(model).total;
    rows.push({ title, macs, parameters, bytes: encodeModel(model).byteLength, seconds, ...figures });
    console.log(`  ${title}: ${JSON.stringify(rows.at(-1))}`);
  };
  const untrained = await make(plan.heavy);
  const heavy = await train(untrained, data, { ...plan.fit, ...short, losses, seed, progress });
  await note('heavy, from labels', heavy.model, heavy.seconds);
  const student = await make(plan.light);
  const lightFit = { ...(plan.lightFit ?? plan.fit), ...short, seed, progress };
  const plain = await train(student, data, { ...lightFit, losses });
  await note('light, from labels', plain.model, plain.seconds);
  const taught = await distill(heavy.model, student, data, {
    ...lightFit,
    losses,
    alpha: 0.7,
    temperature: 3,
  });
  await note('light, distilled', taught.model, taught.seconds);
  const folder = join(ROOT, quick ? 'out/examples' : 'examples', name);
  mkdirSync(folder, { recursive: true });
  await saveModel(heavy.model, join(folder, 'heavy.onnx'));
  await saveModel(taught.model, join(folder, 'light.onnx'));
  await writeFileAtomically(
    join(folder, 'training.json'),
    `${JSON.stringify({ seed, quick, rows }, null, 2)}\n`,
  );
}

/** A line now and then: the script runs for minutes. */
function lineProgress(): Progress {
  return {
    stage(label, total) {
      let [done, said] = [0, performance.now()];
      return {
        advance(more = 1, note = '') {
          done += more;
          if (performance.now() - said < 30_000) return;
          said = performance.now();
          console.log(`    ${label}: ${done} of ${total} ${note}`);
        },
        end() {},
      };
    },
  };
}

/** The metric of each output on the test part, and of the rankings where there are any, with 95 % intervals. */
async function figuresOf(model: Model, task: ExampleTask): Promise<Record<string, unknown>> {
  const session = await openSession(model);
  try {
    const figures: Record<string, unknown> = {};
    const test = await task.test();
    for (const { name, target, metric } of task.outputs) {
      const { value, interval } = await evaluate(
        session,
        judgedBy(test, target),
        metricByName(metric, { output: name }),
        { batch: 64 },
      );
      figures[`${name} ${metric}`] = [value, interval.low, interval.high].map((x) => Number(x.toFixed(4)));
    }
    if (task.rankings !== undefined) {
      const output = task.outputs[0]!.name;
      const ranked = await evaluate(session, await task.rankings(), metricByName('ndcg', { output }), {
        batch: 64,
      });
      const { value, interval } = ranked;
      figures[`${output} ndcg@10`] = [value, interval.low, interval.high].map((x) => Number(x.toFixed(4)));
    }
    return figures;
  } finally {
    await session.dispose();
  }
}

function taskOf({ inputs, outputs }: ExampleTask): Task {
  const kinds = { 'cross-entropy': 'classes', 'binary-cross-entropy': 'binary', mse: 'regression' } as const;
  return {
    inputs: inputs.map(({ name, dtype, dims, categories }) => ({
      name,
      dtype,
      shape: ['N', ...dims],
      ...(categories !== undefined && { vocabulary: categories }),
    })),
    outputs: outputs.map(({ name, dims, loss }) => ({
      name,
      dtype: 'float32',
      shape: ['N', ...dims],
      kind: kinds[loss],
    })),
  };
}
