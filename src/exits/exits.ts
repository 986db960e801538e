import { SILENT } from '../base/index.ts';
import type { Dataset } from '../data/index.ts';
import { costOf, type Model, sizeOf } from '../graph/index.ts';
import type { ConfidenceKind, ExitRule, StagedModel } from '../staged/index.ts';
import { prepareForTraining } from '../train/index.ts';
import { cleanUp } from '../transform/index.ts';
import { type Answers, answersOf } from './answers.ts';
import { type Calibration, fitTemperature } from './calibrate.ts';
import { divide, type ExitParts } from './divide.ts';
import type { MultiExitModel } from './heads.ts';
import { inInt8 } from './int8.ts';
import { checkOptions, type ExitsOptions } from './options.ts';
import { planExits, TIMED_BATCH } from './plan.ts';
import { type ExitReport, type ExitRow, share, sideOutputs, testFigures } from './report.ts';
import { splitStages } from './split-stages.ts';
import { exitTable, recordStages, type StageRecord, stageScores } from './tables.ts';
import { certify, fromSafest, type Thresholds, thresholdPath, withCosts } from './thresholds.ts';
import { secondsOfStages } from './times.ts';
import { trainHeads, trainJointly } from './train-heads.ts';

export interface ExitsResult {
  readonly staged: StagedModel;
  /** The same in one piece: the outputs of the whole model and those of every head, nobody leaving. */
  readonly model: Model;
  /** What accuracy is compared with: the given model with its batch freed. */
  readonly whole: Model;
  readonly report: ExitReport;
  readonly parts: ExitParts;
}

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
  const { plans, table: places } = await planExits(base, answers, parts, total, drop, options);
  const training = { seed, settings, progress, signal, ...options.training };
  const heads = await trainHeads(base, answers, plans, parts.training, training);
  const trained = options.joint
    ? await trainJointly(heads, base, answers, parts.training, { ...training, ...options.jointTraining })
    : heads;
  const multi = options.int8 ? { ...trained, model: await inInt8(trained.model, parts, options) } : trained;
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
  const against = options.against ?? 'given';
  const tableOf = (kept: StageRecord, pieces: StagedModel) =>
    exitTable(kept, pieces, answers.decision, temperatures, measure, against);
  const byTime = options.by === 'time';
  const timing = { batch: options.batch ?? TIMED_BATCH, settings, signal };
  const costs = byTime ? await secondsOfStages(untuned, parts.tuning, timing) : undefined;
  const tuningTable = tableOf(tuning, untuned);
  const steps = thresholdPath(costs === undefined ? tuningTable : withCosts(tuningTable, costs));
  const path = options.counts === 'lost' ? steps : fromSafest(steps, tuningTable, drop);
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
    against,
  );
  const { outcome, test: figures } = testFigures(table, used.thresholds, total);
  const report: ExitReport = {
    decision: answers.decision.name,
    labelled: test.labelled,
    division: parts.rule,
    joint: options.joint === true,
    by: byTime ? 'time' : 'macs',
    against,
    int8: Boolean(options.int8),
    wholeMacs: total,
    places,
    dropped: multi.heads.flatMap(({ id }) => (used.multi.heads.some((head) => head.id === id) ? [] : [id])),
    certificate,
    exits: rowsOf(
      final,
      used,
      outcome,
      byTime ? await secondsOfStages(final, parts.test, timing) : undefined,
    ),
    test: figures,
    others: sideOutputs(test, table, used.thresholds, answers, await truthsOf(parts.test, answers, signal)),
  };
  return { staged: final, model: used.multi.model, whole, report, parts };
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
  times: readonly number[] | undefined,
): ExitRow[] {
  let [macs, seconds] = [0, 0];
  return stages.map((stage, i): ExitRow => {
    macs += stage.macs;
    seconds += times?.[i] ?? 0;
    const head = multi.heads[i];
    return {
      id: head?.id ?? 'end',
      node: head?.place.node ?? '',
      macs,
      seconds: times === undefined ? undefined : seconds,
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
