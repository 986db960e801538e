import { createHash } from 'node:crypto';
import { fail, SILENT } from '../../base/index.ts';
import { type Dataset, fingerprint, planBatch } from '../../data/index.ts';
import { encodeModel, type Model, sizeOf } from '../../graph/index.ts';
import { evaluate } from '../../measure/index.ts';
import { openSession } from '../../run/index.ts';
import { blockSize } from '../blocked/block-size.ts';
import { optimizerByName } from '../optimizers/index.ts';
import { trainableWeights } from '../parameters/trainable.ts';
import type { Prepared } from '../prepare/prepare.ts';
import { scheduleByName } from '../schedules.ts';
import type { Term } from '../step/objective.ts';
import { buildStep } from '../step/step-graph.ts';
import type { FitOptions, FitResult, Validation } from './options.ts';
import { Order } from './order.ts';
import { Run, type RunPlan } from './run.ts';
import { classesOf, Targets } from './targets.ts';
import type { Teacher } from './teacher.ts';

/** Bytes of a teacher's answers that are kept in memory. */
const MOST_REMEMBERED = 2 ** 29;

/**
 * Fits the weights of a model to the terms of a loss: batches of a dataset, steps that ONNX Runtime runs as one graph, a
 * checkpoint that a killed run goes on from. The same seed gives the same weights to the bit on one machine and number of
 * threads (not with `seconds`). Throws TRAIN_*, CHECKPOINT_*, DATA_*, USAGE_BAD_OPTION.
 */
export async function fit(
  prepared: Prepared,
  terms: readonly Term[],
  data: Dataset,
  teacher: Teacher | undefined,
  options: FitOptions = {},
): Promise<FitResult> {
  const { forward } = prepared;
  const { seed = 0, progress = SILENT, signal } = options;
  checkOptions(options);
  const optimizer = optimizerByName(options.optimizer ?? 'adam');
  const weights = prepared.weights ?? trainableWeights(forward, options);
  const { batch, shapes } = batchOf(forward, data, options.batch ?? 64);
  const graph = buildStep(forward, {
    inputShapes: shapes,
    weights,
    terms,
    optimizer,
    optimizerOptions: options.optimizerOptions,
    clip: options.clip,
    decay: options.decay,
    average: options.average !== undefined,
    mix: (options.mixup ?? 0) > 0,
    normalization: options.normalization,
    block: forward.graph.nodes.some(({ op }) => op === 'Conv') ? await blockSize() : 0,
  });
  const targets = new Targets(graph.targets, data, teacher);
  await targets.checkLabels((port) => classesOf(port, graph.shapeOf(port.term.prediction)), signal);
  if (teacher !== undefined) {
    const stage = progress.stage('Asking the teacher', data.size);
    try {
      await teacher.remember(data, MOST_REMEMBERED, (samples) => stage.advance(samples), signal);
    } finally {
      stage.end();
    }
  }
  const order = new Order(data.size, batch, seed);
  const plan: RunPlan = {
    prepared,
    graph,
    targets,
    data,
    order,
    batch,
    shapes,
    optimizer,
    schedule: scheduleByName(options.schedule ?? 'cosine'),
    options,
    identity: await identityOf(prepared, terms, data, batch, options),
    validate: options.validation && validator(options.validation, options),
  };
  const run = await Run.open(plan);
  try {
    return { ...(await run.toEnd()), batch, weights, parameters: sizeOfWeights(forward, weights) };
  } finally {
    await run.dispose();
  }
}

function checkOptions({ epochs, steps, seconds, rate, average, mixup, clip, batch }: FitOptions): void {
  const given = [epochs, steps, seconds].filter((length) => length !== undefined);
  if (given.length > 1) throw fail('USAGE_BAD_OPTION', 'epochs, steps and seconds exclude each other');
  const positive = { epochs, steps, seconds, rate, clip, batch };
  for (const [name, value] of Object.entries(positive)) {
    if (value !== undefined && !(value > 0))
      throw fail('USAGE_BAD_OPTION', `${name} must be above 0, not ${value}`);
  }
  if (average !== undefined && !(average > 0 && average < 1)) {
    throw fail('USAGE_BAD_OPTION', `average must lie between 0 and 1, not ${average}`);
  }
  if (mixup !== undefined && !(mixup >= 0))
    throw fail('USAGE_BAD_OPTION', `mixup must not be below 0, not ${mixup}`);
}

/** The samples of a step, and the static shapes of the inputs with them. Throws DATA_TOO_FEW, DATA_SHAPE_MISMATCH. */
function batchOf(
  forward: Model,
  data: Dataset,
  wanted: number,
): { batch: number; shapes: Record<string, readonly number[]> } {
  const ports = forward.graph.inputs
    .filter(({ name }) => !forward.graph.initializers.has(name))
    .map(({ name, type }) => {
      if (type.kind !== 'tensor') throw fail('TRAIN_SHAPE_UNKNOWN', `input "${name}" is no tensor`);
      return { name, dtype: type.dtype, shape: type.shape };
    });
  const plan = planBatch(data, ports, Math.min(wanted, data.size));
  if (data.size < 2 || data.size < plan.batch) {
    throw fail('DATA_TOO_FEW', `${data.name} has ${data.size} samples, a step takes ${plan.batch}`);
  }
  const shapes = Object.fromEntries(
    plan.feeds.map(({ input, dims, whole }) => [input, whole ? dims : [plan.batch, ...dims]]),
  );
  return { batch: plan.batch, shapes };
}

function sizeOfWeights(model: Model, names: readonly string[]): number {
  return names.reduce((sum, name) => sum + sizeOf(model.graph.initializers.get(name)!.dims), 0);
}

function validator(validation: Validation, options: FitOptions): (model: Model) => Promise<number> {
  return async (model) => {
    const session = await openSession(model, options.settings);
    try {
      const { value } = await evaluate(session, validation.data, validation.metric, {
        batch: 64,
        signal: options.signal,
      });
      return value;
    } finally {
      await session.dispose();
    }
  };
}

/** What makes two runs the same one: model, loss, data and every option that the weights depend on. */
async function identityOf(
  { forward }: Prepared,
  terms: readonly Term[],
  data: Dataset,
  batch: number,
  options: FitOptions,
): Promise<string> {
  const { progress, signal, checkpoint, checkpointEvery, validation, settings, ...rest } = options;
  const hash = createHash('sha256').update(encodeModel(forward));
  hash.update(await fingerprint(data, signal));
  hash.update(
    JSON.stringify([
      batch,
      rest,
      settings?.threads,
      validation && [validation.metric.name, validation.data.size, validation.patience],
      terms.map(({ loss, ...term }) => [loss.name, term]),
    ]),
  );
  return hash.digest('hex');
}
