import type { Progress } from '../base/index.ts';
import { fail, SILENT } from '../base/index.ts';
import type { Dataset } from '../data/index.ts';
import { costOf, type Model, sizeOf } from '../graph/index.ts';
import type { SessionSettings } from '../run/index.ts';
import { prepareForTraining } from '../train/index.ts';
import { cleanUp, STATIC_DEFAULTS, staticQuantization } from '../transform/index.ts';
import { type Answers, answersOf } from './answers.ts';
import { type Calibration, fitTemperature } from './calibrate.ts';
import { type ChosenPlaces, choosePlaces } from './choose-places.ts';
import { divide, type ExitParts, spread } from './divide.ts';
import type { HeadPlan, MultiExitModel } from './heads.ts';
import { exitPlaces, type Place } from './places.ts';
import { probePlaces } from './probe.ts';
import { type ExitReport, type ExitRow, share, sideOutputs, testFigures } from './report.ts';
import { splitStages } from './split-stages.ts';
import type { ConfidenceKind, ExitRule, StagedModel } from './staged-model.ts';
import { exitTable, recordStages, type StageRecord, stageScores } from './tables.ts';
import { certify, type Thresholds, thresholdPath } from './thresholds.ts';
import { type HeadTraining, trainHeads, trainJointly } from './train-heads.ts';

export interface ExitsOptions {
  /** Samples to tune, certify and test on; without `trainingData` heads are trained on a part of them too. */
  readonly data: Dataset;
  readonly trainingData?: Dataset;
  /** Points (percent of the samples) by which the accuracy may fall. Default 0.5. */
  readonly maxDrop?: number;
  /** Chance with which that holds. Default 0.95. */
  readonly confidence?: number;
  /** Exits at most. Default 2. */
  readonly exits?: number;
  /** Values to exit at, in place of a choice. */
  readonly places?: readonly string[];
  /** The output whose scores decide. Default: see `answersOf`. */
  readonly output?: string;
  /** How sure an exit is. Default 'max-probability'. */
  readonly measure?: ConfidenceKind;
  /** 'lost' promises that no more than `maxDrop` of the samples lose their right answer. Default 'net': the accuracy. */
  readonly counts?: 'net' | 'lost';
  /** Units of an inner layer of each head; 0: none. Default: as many as a 25th of the whole model's work allows, 64 at most. */
  readonly hidden?: number;
  /** Trains backbone and heads together, after the heads. */
  readonly joint?: boolean;
  /** 8-bit integers, before anything is certified. */
  readonly int8?: boolean;
  readonly training?: HeadTraining;
  /** Of `joint`. */
  readonly jointTraining?: HeadTraining;
  /** Of the division of the data and of the training. Default 0. */
  readonly seed?: number;
  readonly settings?: Partial<Pick<SessionSettings, 'threads' | 'provider'>>;
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

export interface ExitsResult {
  readonly staged: StagedModel;
  /** The same in one piece: the outputs of the whole model and those of every head, nobody leaving. */
  readonly model: Model;
  /** What accuracy is compared with: the given model with its batch freed. */
  readonly whole: Model;
  readonly report: ExitReport;
  readonly parts: ExitParts;
}

/** Samples that probes are fitted to. */
const PROBED = 4000;
/** Samples that ranges of 8-bit activations are set by. */
const CALIBRATION = 512;
/** Share of the whole model's work that the inner layer of a head may take. */
const HEAD_SHARE = 0.04;
/** Share of the whole model's work that a probe's head may take; sets how fine a grid may be. */
const PROBE_SHARE = 0.02;
const MOST_HIDDEN = 64;
const MOST_FEATURES = 1000;

/**
 * Gives a classifier or encoder early exits: chooses places, attaches heads and trains them, calibrates how sure they are, and
 * sets thresholds of which it is certified, on samples apart, that the accuracy falls by more than `maxDrop` points with a chance of
 * 1 - confidence at most. Where that cannot be certified nobody leaves and the report says 'infeasible'. Throws EXITS_*, DATA_*,
 * TRAIN_*, USAGE_BAD_OPTION.
 */
export async function exits(model: Model, options: ExitsOptions): Promise<ExitsResult> {
  const { seed = 0, progress = SILENT, signal, settings, maxDrop = 0.5, confidence = 0.95 } = options;
  const drop = maxDrop / 100;
  checkOptions(maxDrop, confidence, options);
  const context = { progress: SILENT, signal, seed };
  const { model: whole } = await prepareForTraining(model, context);
  const base = options.int8 ? (await cleanUp.apply(whole, cleanUp.defaults, context)).model : whole;
  const answers = answersOf(base, options.output);
  const parts = await divide(options.data, options.trainingData, { seed, signal });
  const total = costOf(base).total.macs;
  const chosen = await choose(base, answers, parts, total, drop, options);
  const plans = chosen.chosen.map(
    ({ place, pooling, features }, i): HeadPlan => ({
      id: `exit${i + 1}`,
      place,
      pooling,
      features,
      hidden: options.hidden ?? hiddenFor(features, total),
    }),
  );
  const training = { seed, settings, progress, signal, ...options.training };
  const heads = await trainHeads(base, answers, plans, parts.training, training);
  const trained = options.joint
    ? await trainJointly(heads, base, answers, parts.training, { ...training, ...options.jointTraining })
    : heads;
  const multi = options.int8 ? await quantized(trained, parts, options) : trained;
  const measure = options.measure ?? 'max-probability';
  const untuned = staged(multi, answers, measure);
  const recordPart = (part: Dataset, pieces = untuned) =>
    recordStages(pieces, whole, answers, part, { settings, progress, signal });
  const tuning = await recordPart(parts.tuning);
  const calibrations = multi.heads.map((_, i) =>
    fitTemperature({
      scores: stageScores(tuning, i, answers.decision),
      classes: answers.decision.size,
      scale: answers.decision.scale,
      truth: tuning.truth,
    }),
  );
  const temperatures = calibrations.map(({ temperature }) => temperature);
  const tableOf = (kept: StageRecord, pieces: StagedModel) =>
    exitTable(kept, pieces, answers.decision, temperatures, measure);
  const path = thresholdPath(tableOf(tuning, untuned));
  const certificate = certify(path, tableOf(await recordPart(parts.certification), untuned), {
    maxDrop: drop,
    confidence,
    counts: options.counts,
  });
  const used = usedExits(multi, certificate.thresholds, calibrations);
  const final = staged(used.multi, answers, measure, used.thresholds, used.calibrations);
  const test = await recordPart(parts.test, final);
  const table = exitTable(
    test,
    final,
    answers.decision,
    used.calibrations.map(({ temperature }) => temperature),
    measure,
  );
  const { outcome, test: figures } = testFigures(table, used.thresholds, total);
  const report: ExitReport = {
    decision: answers.decision.name,
    labelled: test.labelled,
    division: parts.rule,
    joint: options.joint === true,
    int8: options.int8 === true,
    wholeMacs: total,
    places: chosen.table,
    dropped: multi.heads.flatMap(({ id }) => (used.multi.heads.some((head) => head.id === id) ? [] : [id])),
    certificate,
    exits: rowsOf(final, used, outcome),
    test: figures,
    others: sideOutputs(test, table, used.thresholds, answers, await truthsOf(parts.test, answers, signal)),
  };
  return { staged: final, model: used.multi.model, whole, report, parts };
}

function checkOptions(maxDrop: number, confidence: number, { hidden, exits: count }: ExitsOptions): void {
  if (!(maxDrop > 0 && maxDrop < 100))
    throw fail('USAGE_BAD_OPTION', `maxDrop is a number of points above 0 and below 100, not ${maxDrop}`);
  if (!(confidence > 0 && confidence < 1))
    throw fail('USAGE_BAD_OPTION', `confidence lies between 0 and 1, not at ${confidence}`);
  if (hidden !== undefined && !(Number.isInteger(hidden) && hidden >= 0))
    throw fail('USAGE_BAD_OPTION', `hidden is a number of units, not ${hidden}`);
  if (count !== undefined && !(Number.isInteger(count) && count >= 1))
    throw fail('USAGE_BAD_OPTION', `exits is a number of exits from 1, not ${count}`);
}

async function choose(
  base: Model,
  answers: Answers,
  parts: ExitParts,
  total: number,
  maxDrop: number,
  { exits: count = 2, places: named, progress, signal }: ExitsOptions,
): Promise<ChosenPlaces> {
  const places = named === undefined ? exitPlaces(base) : byName(base, named);
  const size = answers.all.reduce((sum, answer) => sum + answer.size, 0);
  const affordable = Math.floor((PROBE_SHARE * total) / size);
  const mostFeatures = Math.min(MOST_FEATURES, Math.max(256, affordable));
  const probes = await probePlaces(
    base,
    places,
    answers.decision,
    { training: spread(parts.training, PROBED), validation: parts.tuning },
    { mostFeatures, progress, signal },
  );
  const found = choosePlaces(probes, { exits: count, maxDrop, total, answers: answers.all });
  if (named === undefined) return found;
  // Those that were asked for stay, whatever they promise.
  const sorted = [...probes].sort((a, b) => a.place.macs - b.place.macs);
  return { ...found, chosen: sorted, table: found.table.map((row) => ({ ...row, chosen: true })) };
}

function byName(base: Model, names: readonly string[]): Place[] {
  const all = exitPlaces(base, {
    within: [0, 1],
    mostCarried: Number.POSITIVE_INFINITY,
    most: Number.POSITIVE_INFINITY,
  });
  return names.map((name) => {
    const place = all.find(({ value, node }) => value === name || node === name);
    if (place !== undefined) return place;
    const known = all.map(({ value }) => value).slice(0, 20);
    throw fail('EXITS_NO_PLACE', `"${name}" is none; there are ${known.join(', ')}`, { places: known });
  });
}

/** Units of an inner layer that a share of the work pays for; too few of them are worse than none. */
function hiddenFor(features: number, total: number): number {
  const affordable = 2 ** Math.floor(Math.log2((HEAD_SHARE * total) / features));
  return affordable < 8 ? 0 : Math.min(MOST_HIDDEN, affordable);
}

async function quantized(
  multi: MultiExitModel,
  { training }: ExitParts,
  { progress = SILENT, signal, seed = 0 }: ExitsOptions,
): Promise<MultiExitModel> {
  const calibration = spread(training, CALIBRATION);
  const context = { progress, signal, seed, calibration };
  const { model } = await staticQuantization.apply(multi.model, STATIC_DEFAULTS, context);
  return { model, heads: multi.heads };
}

/** The model in stages; without thresholds nobody leaves. */
function staged(
  { model, heads }: MultiExitModel,
  { decision }: Answers,
  confidence: ConfidenceKind,
  thresholds: Thresholds = heads.map(() => Number.POSITIVE_INFINITY),
  calibrations: readonly Pick<Calibration, 'temperature'>[] = heads.map(() => ({ temperature: 1 })),
): StagedModel {
  return splitStages(
    model,
    heads.map(({ id, place, answers }, i) => {
      const exit: ExitRule = {
        scores: answers[decision.name]!,
        scale: decision.scale,
        temperature: calibrations[i]!.temperature,
        confidence,
        threshold: thresholds[i]!,
      };
      return { id, cut: [place.value], answers, exit };
    }),
  );
}

interface UsedExits {
  readonly multi: MultiExitModel;
  readonly thresholds: Thresholds;
  readonly calibrations: readonly Calibration[];
}

/** Without the exits at which nobody leaves: their heads cost work, and no answer changes without them. */
function usedExits(
  { model, heads }: MultiExitModel,
  thresholds: Thresholds,
  calibrations: readonly Calibration[],
): UsedExits {
  const used = (i: number) => thresholds[i]! < Number.POSITIVE_INFINITY;
  const gone = new Set(heads.flatMap(({ answers }, i) => (used(i) ? [] : Object.values(answers))));
  const graph = { ...model.graph, outputs: model.graph.outputs.filter(({ name }) => !gone.has(name)) };
  return {
    multi: { model: { ...model, graph }, heads: heads.filter((_, i) => used(i)) },
    thresholds: thresholds.filter((_, i) => used(i)),
    calibrations: calibrations.filter((_, i) => used(i)),
  };
}

function rowsOf(
  { stages }: StagedModel,
  { multi, thresholds, calibrations }: UsedExits,
  {
    leaving,
    right,
    n,
  }: { readonly leaving: readonly number[]; readonly right: readonly number[]; readonly n: number },
): ExitRow[] {
  let macs = 0;
  return stages.map((stage, i): ExitRow => {
    macs += stage.macs;
    const head = multi.heads[i];
    return {
      id: head?.id ?? 'end',
      node: head?.place.node ?? '',
      macs,
      leaves: share(leaving[i]!, n),
      accuracy: leaving[i]! > 0 ? share(right[i]!, leaving[i]!) : undefined,
      threshold: thresholds[i],
      calibration: calibrations[i],
      features: head?.features,
      pooling: head === undefined ? undefined : head.pooling.kind,
      hidden: head?.hidden,
    };
  });
}

/** Arrays of the data that bear the name of an output that does not decide, where they fit it. */
async function truthsOf(
  data: Dataset,
  { all, decision }: Answers,
  signal: AbortSignal | undefined,
): Promise<Map<string, Float32Array>> {
  const fields = data.fields.filter(({ name, dims }) =>
    all.some((answer) => answer !== decision && answer.name === name && answer.size === sizeOf(dims)),
  );
  const found = new Map(fields.map(({ name }) => [name, [] as number[]]));
  if (fields.length > 0) {
    for await (const { feeds } of data.read({ fields: fields.map(({ name }) => name), signal })) {
      for (const [name, values] of found) values.push(...feeds[name]!.numbers());
    }
  }
  return new Map([...found].map(([name, values]) => [name, Float32Array.from(values)]));
}
