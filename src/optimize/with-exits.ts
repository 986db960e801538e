import { fail, ModicumError, messageOf, type Progress } from '../base/index.ts';
import type { Dataset } from '../data/index.ts';
import { type ExitReport, exits, nestedIf } from '../exits/index.ts';
import { encodeModel, type Model } from '../graph/index.ts';
import type { Stage, StagedModel } from '../staged/index.ts';
import type { Exiting } from './contestant.ts';
import type { Goal } from './goal.ts';
import type { Journal } from './journal/journal.ts';
import type { Recipe } from './recipe.ts';
import { defaultRunSettings, type RunSettings } from './settings.ts';
import type { Variant } from './variant.ts';

export interface WithExitsOptions {
  /** Samples to tune and certify on: those of the search. */
  readonly data: Dataset;
  readonly training?: Dataset;
  /** Points that the exits may lose. */
  readonly maxDrop: number;
  readonly goal: Goal;
  readonly output?: string;
  /** 8-bit integers, before anything is certified. */
  readonly int8: boolean;
  /** It is given up after so many seconds. */
  readonly seconds: number;
  readonly seed: number;
  readonly journal: Journal;
  readonly progress: Progress;
  readonly signal?: AbortSignal;
}

/** What came of it: a model with exits and what they do, in words, or why there is none. */
export type WithExits = { readonly exiting: Exiting; readonly words: string } | { readonly failed: string };

/** Passes that make integers of a float model: exits are made on what is before them, and rounded by themselves. */
const ROUNDING = /^(quantize-|adaround$|fp16$|mixed-precision$|equalize$|smooth$|scale-awq$)/;

/** Samples of each second that heads may learn from. */
const SAMPLES_A_SECOND = 150;

/** Why exits are no choice for this goal and these data; undefined where they are one. */
export function exitsAbsent(
  goal: Goal,
  unit: string,
  data: Dataset,
  training: Dataset | undefined,
): string | undefined {
  if (goal.minimize === 'size') return 'heads make the model larger, and its size is to be small';
  if (unit !== '%' || !['top1', 'agreement'].includes(goal.metric)) {
    return `an exit is certified by the share of right answers (top1, agreement), not by ${goal.metric}`;
  }
  if (goal.maxDrop === 0) return 'nothing may be lost, and no exit can promise that';
  if (training === undefined && data.size < 2000) {
    return 'heads learn, and no training data is given (--train-data)';
  }
  return undefined;
}

/** The recipe up to where it rounds, and whether it then goes on in 8 bits. */
export function beforeRounding(recipe: Recipe): { float: Recipe; int8: boolean } {
  const at = recipe.findIndex(({ pass }) => ROUNDING.test(pass));
  const float = at < 0 ? recipe : recipe.slice(0, at);
  return { float, int8: recipe.some(({ pass }) => /^(quantize-static|quantize-aware|adaround)$/.test(pass)) };
}

/**
 * Early exits on a float model, certified on the search part. Recorded in the journal under `name`, with the models of the stages. What
 * cannot have exits is an answer, not an error.
 */
export function withExits(model: Model, name: string, options: WithExitsOptions): Promise<WithExits> {
  return certifiedOnce(`exits of ${name}`, options.maxDrop, options, () => attempt(model, options));
}

interface Certified {
  readonly staged: StagedModel;
  readonly report: ExitReport;
}

/** What leaves early, made once by `make` and recorded in the journal under `step`, with its models; or why it cannot be. */
export async function certifiedOnce(
  step: string,
  maxDrop: number,
  { journal, signal }: Pick<WithExitsOptions, 'journal' | 'signal'>,
  make: () => Promise<Certified>,
): Promise<WithExits> {
  const certified = async () => {
    const made = await make();
    if (made.report.certificate.outcome === 'certified' && made.staged.stages.length > 1) return made;
    throw fail('GOAL_NOT_MET', `no threshold is certified to lose at most ${maxDrop.toFixed(2)} points`);
  };
  let made: StagedModel | undefined;
  const kept = await journal.step(step, async () => {
    try {
      const result = await certified();
      made = result.staged;
      for (const { id, model } of made.stages) await journal.keepModel(`${step}: ${id}`, model);
      const stages = made.stages.map(({ model: _, ...rest }) => rest);
      return { stages, inputs: made.inputs, outputs: made.outputs, words: wordsOf(result.report) };
    } catch (cause) {
      if (signal?.aborted || !(cause instanceof ModicumError)) throw cause;
      return { failed: messageOf(cause) };
    }
  });
  if (kept.failed !== undefined) return { failed: kept.failed };
  const staged = made ?? (await reread(step, kept, journal)) ?? (await certified()).staged;
  return { exiting: { staged, oneFile: await nestedIf(staged) }, words: kept.words };
}

/** Without labels where right means as the model answers. */
export function blindTo<T extends Dataset>(goal: Goal, dataset: T): T {
  return goal.metric === 'agreement' ? { ...dataset, labels: undefined } : dataset;
}

async function attempt(
  model: Model,
  { data, training, maxDrop, goal, output, int8, seconds, seed, progress, signal }: WithExitsOptions,
): Promise<Certified> {
  const late = AbortSignal.timeout(Math.max(1, Math.round(1000 * seconds)));
  return exits(model, {
    data: blindTo(goal, data),
    trainingData: training && blindTo(goal, training),
    maxDrop,
    confidence: goal.confidence,
    output,
    int8,
    training: { samples: Math.max(1000, Math.round(SAMPLES_A_SECOND * seconds)) },
    seed,
    progress,
    signal: signal === undefined ? late : AbortSignal.any([signal, late]),
  }).catch((cause: unknown) => {
    if (late.aborted && !signal?.aborted)
      throw fail('CANCELLED', `exits took longer than ${seconds.toFixed(0)} s`);
    throw cause;
  });
}

async function reread(
  step: string,
  kept: { stages: readonly Omit<Stage, 'model'>[] } & Pick<StagedModel, 'inputs' | 'outputs'>,
  journal: Journal,
): Promise<StagedModel | undefined> {
  const stages: Stage[] = [];
  for (const stage of kept.stages) {
    const model = await journal.keptModel(`${step}: ${stage.id}`);
    if (model === undefined) return undefined;
    stages.push({ ...stage, model });
  }
  return { stages, inputs: kept.inputs, outputs: kept.outputs };
}

/** Where samples leave, and what is saved on average. */
function wordsOf({ exits: rows, test }: ExitReport): string {
  const percent = (share: number) => `${Math.round(100 * share)} %`;
  const early = rows.slice(0, -1).map(({ id, leaves }) => `${percent(leaves.value)} leave at ${id}`);
  return `${early.join(', ')}, ${percent(test.macsShare)} of the MACs on average`;
}

const EXITS = { id: 'exits', title: 'early exits', pass: 'early-exits' } as const;

/** Samples a call of a model with exits in stages, at least: the fewer, the more a call costs by itself. */
const LEAST_BATCH = 16;

/** The variants of a model with exits: one file for single samples on all cores, and stages for batches where throughput counts. */
export function exitVariants(
  base: Variant,
  float: Recipe,
  { exiting, words }: { readonly exiting: Exiting; readonly words: string },
  cores: number,
  goal: Goal,
  by: { readonly id: string; readonly title: string; readonly pass: 'early-exits' | 'cascade' } = EXITS,
): Variant[] {
  const bytes = encodeModel(exiting.oneFile).byteLength;
  const step = { pass: by.pass, words: `${by.title}: ${words}` } as const;
  const variant = (form: string, settings: RunSettings): Variant => ({
    id: `${base.id}-${by.id}-${form.replaceAll(' ', '-')}`,
    title: `${base.title}, ${by.title} (${form})`,
    recipe: [...float, step],
    model: exiting.oneFile,
    exits: exiting,
    bytes,
    faithful: false,
    notes: [],
    settings,
    status: 'dominated',
    why: '',
  });
  const { provider, level } = base.settings;
  if (goal.minimize === 'latency') return [variant('one file', base.settings)];
  const single = { ...defaultRunSettings(cores), provider, level, threads: 1, instances: cores };
  const batch = Math.max(LEAST_BATCH, base.settings.batch);
  return [variant('one file', single), variant('stages', { ...base.settings, batch })];
}
