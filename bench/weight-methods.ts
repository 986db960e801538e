import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { judgedBy } from '../examples/task.ts';
import { TASKS } from '../examples/tasks.ts';
import { Random, SILENT } from '../src/base/index.ts';
import { bind, concatenate, type Dataset, subset } from '../src/data/index.ts';
import { loadModel, saveModel } from '../src/files/index.ts';
import { cloneModel, indexGraph, type Model, Tensor } from '../src/graph/index.ts';
import {
  compareEvaluations,
  type Evaluation,
  evaluate,
  type Metric,
  metricByName,
} from '../src/measure/index.ts';
import { openSession } from '../src/run/index.ts';
import { architectureByName, normalizeInputs, train } from '../src/train/index.ts';
import { cleanUp, type Pass, type RecipePassName, recipePass } from '../src/transform/index.ts';
import { sqnr } from '../test/quantize-nets.ts';
import { ROOT } from '../test/shared-data.ts';
import { wanted } from './arguments.ts';
import { heading } from './heading.ts';
import { spokenDigits } from './spoken-digits.ts';

/**
 * What 4-bit weights lose by each way to round them, and what SmoothQuant saves where an activation has channels that stand out:
 * a transformer trained on spoken digits (seeds 0, 1, 2) and the heavy recommender. `npm run bench -- weight-methods [transformer|recommender]`
 */
interface Case {
  readonly name: string;
  readonly models: readonly Model[];
  readonly calibration: Dataset;
  readonly judged: Dataset;
  readonly metric: Metric;
}

/** One thread: runs repeat to the bit. */
const SETTINGS = { threads: 1 };
const SEEDS = [0, 1, 2];
const CALIBRATION = 256;
const EPOCHS = 12;

type Way = readonly [words: string, ...passes: (readonly [RecipePassName, object?])[]];

/** The kernel computes in float, so that the figures are of the weights alone; the layer that reads the raw inputs stays in float. */
const blocks = (blockSize: number, symmetric = true, fit = 'mse') => ({
  blockSize,
  symmetric,
  fit,
  accuracyLevel: 1,
  keepFirst: 1,
});

function weightWays(size: number): Way[] {
  return [
    ['to the nearest (largest weight fits)', ['quantize-weights', blocks(size, true, 'minmax')]],
    ['scale search', ['quantize-weights', blocks(size)]],
    ['scale search, zero points', ['quantize-weights', blocks(size, false)]],
    ['HQQ, zero points', ['quantize-hqq', blocks(size, false, 'hqq')]],
    ['AWQ', ['quantize-awq', blocks(size)]],
    ['GPTQ', ['quantize-gptq', blocks(size)]],
    ['GPTQ, means not corrected', ['quantize-gptq', { ...blocks(size), meanCorrection: false }]],
    ['GPTQ, order by activations', ['quantize-gptq', { ...blocks(size), actOrder: true }]],
    ['GPTQ, zero points', ['quantize-gptq', blocks(size, false)]],
    ['AWQ, then GPTQ', ['scale-awq', blocks(size)], ['quantize-gptq', blocks(size)]],
  ];
}

const EIGHT_BITS: Way[] = (['quantize-static', 'quantize-dynamic'] as const).flatMap((pass): Way[] => {
  const words = pass === 'quantize-static' ? 'int8 static' : 'int8 dynamic';
  return [
    [words, [pass]],
    [`smooth, ${words}`, ['smooth'], [pass]],
    [`smooth (alpha 0.5), ${words}`, ['smooth', { alpha: 0.5 }], [pass]],
  ];
});

console.log(heading(`seeds ${SEEDS.join(', ')}, 1 thread, ${CALIBRATION} samples to calibrate on`));
for (const [name, open] of [
  ['transformer', transformers],
  ['recommender', recommender],
] as const) {
  if (!wanted(name)) continue;
  const found = await open();
  if (typeof found === 'string') {
    console.log(`skipped: ${found}\n`);
    continue;
  }
  for (const size of [32, 128]) await table(found, `4-bit weights in blocks of ${size}`, weightWays(size));
  if (name !== 'transformer') continue;
  await table(found, 'int8 as trained', EIGHT_BITS);
  const planted = { ...found, models: found.models.map(withOutliers) };
  await table(planted, 'int8, two channels of each normalization 64 times larger', EIGHT_BITS);
}

async function transformers(): Promise<Case | string> {
  const parts = await spokenDigits();
  if (parts === undefined) return 'data absent for the transformer';
  const models = [];
  for (const seed of SEEDS) models.push(await cleaned(await trained(parts.train, seed)));
  return {
    name: 'transformer',
    models,
    calibration: some(parts.train),
    judged: concatenate([parts.validation, parts.test]),
    metric: metricByName('top1'),
  };
}

/** Two layers of 64 channels; trained once a seed and kept in out/bench/. */
async function trained(data: Dataset, seed: number): Promise<Model> {
  const path = resolve(`out/bench/digits-transformer-${seed}.onnx`);
  if (existsSync(path)) return loadModel(path);
  const field = data.fields[0]!;
  const task = {
    inputs: [{ name: field.name, dtype: field.dtype, shape: ['N', ...field.dims] }],
    outputs: [{ name: 'scores', dtype: 'float32', shape: ['N', 10], kind: 'classes' }],
  } as const;
  const raw = architectureByName('transformer').build(task, { width: 0.5, depth: 0.5 }, new Random(seed));
  const normalized = await normalizeInputs(raw, data);
  const { model } = await train(normalized, data, { epochs: EPOCHS, rate: 1e-3, seed, settings: SETTINGS });
  mkdirSync(resolve('out/bench'), { recursive: true });
  await saveModel(model, path);
  return model;
}

async function recommender(): Promise<Case | string> {
  const path = join(ROOT, 'examples', 'recommender', 'heavy.onnx');
  if (!existsSync(path)) return 'the recommender is not trained yet (npm run examples:train)';
  const task = TASKS.find(({ name }) => name === 'recommender')!;
  const { name: output, metric, target } = task.outputs[0]!;
  return {
    name: 'recommender (heavy)',
    models: [await cleaned(await loadModel(path))],
    calibration: some(await task.train(SEEDS[0]!, 10 * CALIBRATION)),
    judged: judgedBy(await task.test(), target),
    metric: metricByName(metric, { output }),
  };
}

/** Evenly spread. */
function some(data: Dataset): Dataset {
  const step = Math.floor(data.size / CALIBRATION);
  return subset(
    data,
    Array.from({ length: CALIBRATION }, (_, i) => i * step),
  );
}

async function cleaned(model: Model): Promise<Model> {
  return (await cleanUp.apply(model, cleanUp.defaults, { seed: 0, progress: SILENT })).model;
}

/** The same function with activations as large language models have them: channels that a normalization makes far larger. */
function withOutliers(model: Model): Model {
  const result = cloneModel(model);
  const { graph } = result;
  const index = indexGraph(graph);
  for (const norm of graph.nodes.filter(({ op }) => op === 'LayerNormalization')) {
    const readers = index.consumers.get(norm.outputs[0]!) ?? [];
    const matrices = readers.map((node) =>
      graph.initializers.get(node.op === 'MatMul' ? node.inputs[1]! : ''),
    );
    if (readers.length === 0 || matrices.some((matrix) => matrix?.dims.length !== 2)) continue;
    const scale = (name: string, inner: number, by: number) => {
      const old = graph.initializers.get(name)!;
      const large = [5, 41];
      const values = old
        .as('float32')
        .map((value, i) => (large.includes(Math.floor(i / inner)) ? value * by : value));
      graph.initializers.set(name, Tensor.float32(old.dims, values));
    };
    for (const name of norm.inputs.slice(1)) scale(name, 1, 64);
    for (const [i, node] of readers.entries()) scale(node.inputs[1]!, matrices[i]!.dims[1]!, 1 / 64);
  }
  return result;
}

async function table(
  { name, models, calibration, judged, metric }: Case,
  title: string,
  ways: readonly Way[],
): Promise<void> {
  const places = metric.unit === '%' ? 2 : 4;
  const floats = await Promise.all(models.map((model) => judge(model, judged, metric)));
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  console.log(
    `**${name}, ${title}**: ${metric.name} on ${floats[0]!.evaluation.n} samples apart; float ${floats.map(({ evaluation }) => evaluation.value.toFixed(places)).join(', ')}\n`,
  );
  console.log(
    `| method | outputs, dB | ${metric.name} | lost (mean; each with its paired 95 %) | seconds |\n|---|---|---|---|---|`,
  );
  for (const [words, ...passes] of ways) {
    const started = performance.now();
    const made = [];
    for (const model of models) made.push(await cook(model, passes, calibration));
    const seconds = (performance.now() - started) / 1000 / models.length;
    const results = await Promise.all(made.map((model) => judge(model, judged, metric)));
    const lost = results.map(({ evaluation }, i) =>
      compareEvaluations(floats[i]!.evaluation, evaluation, metric, { seed: 0 }),
    );
    const each = lost.map(
      ({ value, interval: { low, high } }) =>
        `${value.toFixed(places)} (${low.toFixed(places)} to ${high.toFixed(places)})`,
    );
    const cells = [
      words,
      mean(results.map(({ outputs }, i) => sqnr(floats[i]!.outputs, outputs))).toFixed(1),
      mean(results.map(({ evaluation }) => evaluation.value)).toFixed(places),
      `${mean(lost.map(({ value }) => value)).toFixed(places)}; ${each.join(', ')}`,
      seconds.toFixed(1),
    ];
    console.log(`| ${cells.join(' | ')} |`);
  }
  console.log('');
}

async function cook(
  model: Model,
  passes: readonly (readonly [RecipePassName, object?])[],
  calibration: Dataset,
): Promise<Model> {
  let current = model;
  for (const [name, options] of passes) {
    const pass: Pass = recipePass(name);
    const context = { progress: SILENT, seed: 0, calibration };
    current = (await pass.apply(current, { ...pass.defaults, ...options }, context)).model;
  }
  return current;
}

/** The metric, and the first output for all judged samples, as one row of numbers. */
async function judge(
  model: Model,
  judged: Dataset,
  metric: Metric,
): Promise<{ evaluation: Evaluation; outputs: Tensor }> {
  const session = await openSession(model, SETTINGS);
  try {
    const evaluation = await evaluate(session, judged, metric, { batch: 64, seed: 0 });
    const rows: Float32Array[] = [];
    for await (const { feeds } of bind(judged, session.inputs, { batch: 64 })) {
      rows.push((await session.run(feeds))[session.outputs[0]!.name]!.as('float32'));
    }
    const all = new Float32Array(rows.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const row of rows) {
      all.set(row, at);
      at += row.length;
    }
    return { evaluation, outputs: Tensor.float32([all.length], all) };
  } finally {
    await session.dispose();
  }
}
