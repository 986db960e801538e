import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { fail, ModicumError, type Progress, SILENT, VERSION } from '../base/index.ts';
import { assertBundlePlace, type Bundle, portsOf, writeBundle } from '../bundle/index.ts';
import {
  buffered,
  type Dataset,
  fingerprint,
  keptApart,
  type Split,
  type SplitOptions,
  split,
} from '../data/index.ts';
import { loadModel } from '../files/index.ts';
import { assertValid, costOf, inferShapes, type Model } from '../graph/index.ts';
import { type MetricOptions, metricByName, priceOf } from '../measure/index.ts';
import { renderHtml, type Story } from '../report/index.ts';
import { availableCores, describeMachine, openSession } from '../run/index.ts';
import type { StagedModel } from '../staged/index.ts';
import { Budget } from './budget.ts';
import { decisionsOf } from './decisions.ts';
import { type Goal, makeGoal } from './goal.ts';
import { Journal } from './journal/journal.ts';
import { layersOf } from './layers.ts';
import { type Rates, ratesOf } from './rates.ts';
import { type SearchOutcome, search } from './search.ts';
import { sessionSettings } from './settings.ts';
import {
  baselinePace,
  type StoryContext,
  stepsOf,
  storyLooks,
  storyVariants,
  verdictOf,
  wordsOf,
} from './story-of.ts';
import type { Variant } from './variant.ts';

export interface OptimizeOptions {
  /** Path of an .onnx file. */
  readonly model: string;
  readonly data: Dataset;
  /** Samples to learn from, with labels or without: smaller models are trained then. Samples that `data` has too are left out. */
  readonly trainingData?: Dataset;
  readonly goal: Partial<Goal> & { readonly metric: string };
  readonly metricOptions?: MetricOptions;
  /** Seconds for the search; the last tests may pass it a little. Default 60. */
  readonly budget?: number;
  /** Of the split, the races and the bootstraps. Default 0. */
  readonly seed?: number;
  readonly split?: Omit<SplitOptions, 'seed'>;
  /** Cores to use. Default: all there are. */
  readonly cores?: number;
  /** Default 256. */
  readonly largestBatch?: number;
  /** USD per hour, or a machine of the price list. Default: the listed machine nearest to this one. */
  readonly price?: number | string;
  /** Watts that a busy core draws. Default: by the kind of processor, with wide bounds. */
  readonly wattsPerCore?: number;
  /** Folder for the bundle. Default: none is written. */
  readonly out?: string;
  /**
   * Folder that keeps what the search has done until it ends, so that it can go on after it was stopped. Default: `out` with
   * `.partial` added; without either nothing is kept.
   */
  readonly partial?: string;
  /** Goes on with what `partial` keeps, where there is something. Default false: it begins anew. */
  readonly resume?: boolean;
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

export interface OptimizeResult {
  readonly story: Story;
  /** The model to ship: the chosen variant, or the model as given. */
  readonly model: Model;
  /** Where samples leave early: the stages, for batches; `model` is then one file with nested conditions, for single samples. */
  readonly staged?: StagedModel;
  readonly bundle?: Bundle;
}

/**
 * The main job: looks for the cheapest variant of a model that meets the goal on this machine, proves it on samples that
 * the search never saw, and writes it as a bundle. Ships the model as given where nothing surely beats it.
 * Throws MODEL_*, DATA_*, METRIC_*, GOAL_NOT_MET (a bound that neither a variant nor the model as given keeps), FILE_NOT_WRITTEN.
 */
export async function optimize(options: OptimizeOptions): Promise<OptimizeResult> {
  const { signal, seed = 0, cores = availableCores() } = options;
  const goal = makeGoal(options.goal);
  await refuseEarly(options, goal);
  const model = await loadModel(options.model);
  assertValid(model);
  const bytes = (await stat(options.model)).size;
  const data = await buffered(options.data, { signal });
  const parts = await split(data, { ...options.split, seed, signal });
  const apart =
    options.trainingData && (await keptApart(await buffered(options.trainingData, { signal }), data, signal));
  const journal = await journalOf(options, goal, await sha256Of(options.model), data, signal);
  try {
    const result = await searchAndTell(options, { goal, model, bytes, data, parts, apart, journal, cores });
    await journal.remove();
    return result;
  } catch (thrown) {
    if (mayGoOn(thrown)) await journal.close();
    else await journal.remove();
    throw thrown;
  }
}

/** Whether a search that ended so would end otherwise another time: it was stopped, rather than asked for what cannot be. */
function mayGoOn(thrown: unknown): boolean {
  if (!(thrown instanceof ModicumError)) return true;
  return ['CANCELLED', 'FILE_NOT_WRITTEN', 'WORKER_CRASHED', 'INTERNAL'].includes(thrown.code);
}

/** The record of this search: on disk where a folder is known, and taken up where that is asked for. */
async function journalOf(
  { partial, out, resume = false, ...options }: OptimizeOptions,
  goal: Goal,
  sha256: string,
  data: Dataset,
  signal?: AbortSignal,
): Promise<Journal> {
  const folder = partial ?? (out === undefined ? undefined : `${out.replace(/[\\/]+$/, '')}.partial`);
  const budget = options.budget ?? 60;
  if (folder === undefined) return Journal.inMemory(budget);
  const { metricOptions, seed = 0, split, cores = availableCores(), largestBatch, trainingData } = options;
  const request = {
    model: sha256,
    data: await fingerprint(data, signal),
    'training data': trainingData === undefined ? null : await fingerprint(trainingData, signal),
    goal: { ...goal },
    'metric options': { ...metricOptions },
    seed,
    split: { ...split },
    cores,
    'largest batch': largestBatch ?? null,
    machine: describeMachine().id,
    version: VERSION,
  };
  return Journal.open(folder, JSON.parse(JSON.stringify(request)), budget, resume);
}

interface Prepared {
  readonly goal: Goal;
  readonly model: Model;
  readonly bytes: number;
  readonly data: Dataset;
  readonly parts: Split;
  readonly apart?: Awaited<ReturnType<typeof keptApart>>;
  readonly journal: Journal;
  readonly cores: number;
}

async function searchAndTell(
  options: OptimizeOptions,
  { goal, model, bytes, data, parts, apart, journal, cores }: Prepared,
): Promise<OptimizeResult> {
  const { progress = SILENT, signal, seed = 0 } = options;
  const budget = new Budget(options.budget ?? 60, () => journal.seconds);
  const outcome = await search({
    original: options.model,
    model,
    bytes,
    split: parts,
    training: apart?.dataset,
    goal,
    metricOptions: options.metricOptions,
    budget,
    journal,
    cores,
    largestBatch: options.largestBatch,
    seed,
    progress,
    signal,
  });
  const shipped = outcome.chosen ?? outcome.baseline;
  const machine = describeMachine();
  const rates = ratesOf(machine, options);
  const context: StoryContext = { outcome, goal, rates };
  const costs = costOf(model, inferShapes(model));
  const story: Story = {
    model: {
      name: basename(options.model),
      bytes,
      sha256: await sha256Of(options.model),
      parameters: costs.total.parameters,
      macs: costs.total.macs,
    },
    data: {
      name: data.name,
      size: data.size,
      calibration: parts.calibration.size,
      search: parts.search.size,
      heldOut: parts.heldOut.size,
      rule: parts.rule,
      ...(apart !== undefined && { training: apart.dataset.size, trainingShared: apart.shared }),
    },
    metric: outcome.metric,
    goal,
    verdict: verdictOf(context),
    met: outcome.chosen !== undefined,
    variants: storyVariants(context),
    chosen: shipped.id,
    settings: shipped.settings,
    latencySettings: outcome.single,
    layers: await layersOf(options.model, shipped, parts.search, signal),
    sensitivity: outcome.sensitivity,
    steps: stepsOf(context),
    fusion: shipped.fusion?.nodes.map(({ name, op, status, executedAs, why }) => ({
      node: name,
      op,
      status,
      why: why ?? (executedAs.join(', ') || 'part of a neighbour'),
    })),
    decisions: decisionsOf(outcome, goal, budget),
    looks: storyLooks(context),
    skipped: skippedOf(outcome, budget),
    machine: machineFacts(machine, rates),
    records: outcome.records,
    seed,
    seconds: budget.elapsed,
    at: new Date().toISOString(),
    version: VERSION,
  };
  refuseUnmetBounds(goal, outcome, story);
  const bundle =
    options.out === undefined ? undefined : await pack(options.out, shipped, outcome, story, options.model);
  return { story, model: shipped.model, staged: shipped.exits?.staged, bundle };
}

/** What is wrong with the request is said before the long work. */
async function refuseEarly({ metricOptions, data, price, out }: OptimizeOptions, goal: Goal): Promise<void> {
  const metric = metricByName(goal.metric, metricOptions);
  if (metric.needs.labels && data.labels === undefined) {
    throw fail('DATA_NO_LABELS', `${metric.name} compares outputs with labels, and ${data.name} has none`, {
      hint: 'Add an array named labels, or choose a metric of fidelity: agreement, cosine, sqnr or kl.',
    });
  }
  if (typeof price === 'string') priceOf(price);
  if (out !== undefined) await assertBundlePlace(out);
}

/** What was left out for want of time, and what could not be made. */
function skippedOf({ looks, ended }: SearchOutcome, budget: Budget): Story['skipped'] {
  for (const { point, observation } of looks) {
    if (observation.failed !== undefined) budget.skip(wordsOf(point), observation.failed);
  }
  if (ended === 'time') budget.skip('further looks', `the budget of ${budget.seconds} s was spent`);
  return budget.skipped;
}

/** A bound that even the model as given breaks, and that no variant mends, is a goal not met: nothing is shipped. */
function refuseUnmetBounds(goal: Goal, outcome: SearchOutcome, story: Story): void {
  if (outcome.chosen !== undefined) return;
  const { baseline, metric } = outcome;
  const pace = baselinePace(outcome);
  const value = baseline.heldOut?.evaluation.value;
  const broken: string[] = [];
  if (goal.p99 !== undefined && pace !== undefined && pace.p99 > goal.p99) {
    broken.push(`a 99th percentile of ${goal.p99} ms (the model as given takes ${pace.p99.toFixed(2)} ms)`);
  }
  if (goal.maxBytes !== undefined && baseline.bytes > goal.maxBytes) {
    broken.push(`${goal.maxBytes} bytes (the model as given has ${baseline.bytes})`);
  }
  if (goal.minValue !== undefined && value !== undefined) {
    const held = metric.higherIsBetter ? value >= goal.minValue : value <= goal.minValue;
    if (!held) broken.push(`${metric.name} of ${goal.minValue} (the model as given has ${value.toFixed(3)})`);
  }
  if (broken.length === 0) return;
  const nearest = outcome.variants
    .filter((variant) => variant.status === 'rejected')
    .map(({ title, why }) => `${title}: ${why}`);
  throw fail('GOAL_NOT_MET', `no variant keeps to ${broken.join(' and ')}`, {
    nearest,
    story: { ...story, verdict: 'Nothing that was tried meets the goal: no bundle is written.' },
  });
}

async function pack(
  folder: string,
  shipped: Variant,
  outcome: SearchOutcome,
  story: Story,
  original: string,
): Promise<Bundle> {
  const session = await openSession(shipped.model, sessionSettings(outcome.single));
  // One file with exits has an output more, which says where samples left.
  const ports = shipped.exits?.staged ?? session;
  const [inputs, outputs] = [portsOf(ports.inputs), portsOf(ports.outputs)];
  await session.dispose();
  const models = outcome.chosen === undefined ? [outcome.baseline] : [shipped, outcome.baseline];
  return writeBundle(folder, {
    about: {
      modicum: VERSION,
      name: basename(original).replace(/\.onnx$/, ''),
      chosen: shipped.id,
      inputs,
      outputs,
      settings: shipped.settings,
      latencySettings: outcome.single,
      goal: { ...story.goal, metric: story.metric.name },
      met: story.met,
    },
    staged: shipped.exits?.staged,
    models: models.map(({ id, model, recipe }) => ({
      id,
      model,
      recipe: recipe.map(({ pass, options, words }) => ({ pass, options, words })),
    })),
    records: story.records,
    story,
    report: await renderHtml(story),
  });
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

function machineFacts(machine: ReturnType<typeof describeMachine>, rates: Rates): [string, string][] {
  const { watts, price } = rates;
  return [
    ['machine', `${machine.cpu}, ${machine.availableCores} cores, ${machine.os} (${machine.id})`],
    ['instruction sets', machine.features.join(' ')],
    ['versions', `node ${machine.versions.node}, onnxruntime ${machine.versions.onnxruntime}`],
    ['load', `${machine.loadAverage.toFixed(2)} runnable tasks over the last minute`],
    ['dollars', `${typeof price === 'number' ? `$${price} per hour, given` : `as on ${price}`}, always busy`],
    [
      'energy',
      watts === undefined
        ? 'not known for this processor; give --watts-per-core'
        : `CPU-seconds x ${watts.value.toFixed(2)} W per core (${watts.low.toFixed(2)} to ${watts.high.toFixed(2)}): ${watts.origin}`,
    ],
  ];
}
