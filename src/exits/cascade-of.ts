import { fail, SILENT } from '../base/index.ts';
import type { Dataset } from '../data/index.ts';
import {
  attr,
  cloneModel,
  costOf,
  type Model,
  makeNode,
  namer,
  renameValue,
  Tensor,
} from '../graph/index.ts';
import { judge, type Stage, type StagedModel } from '../staged/index.ts';
import { freeBatch } from '../transform/index.ts';
import { type Answer, type Answers, answersOf } from './answers.ts';
import { type Calibration, fitTemperature } from './calibrate.ts';
import { divideToProve, type ProofParts } from './divide.ts';
import type { ExitsOptions } from './options.ts';
import { type ExitReport, type ExitRow, share, sideOutputs, testFigures } from './report.ts';
import { portsOf, sampleAxes } from './sample-axes.ts';
import { recordStages, type StageRecord, stageScores } from './tables.ts';
import { certify, type ExitTable, fromSafest, type Thresholds, thresholdPath } from './thresholds.ts';

/** A model of a cascade and what it is called; the cheap ones come first. */
export interface CascadeModel {
  readonly id: string;
  readonly model: Model;
}

export type CascadeOptions = Pick<
  ExitsOptions,
  | 'data'
  | 'maxDrop'
  | 'confidence'
  | 'output'
  | 'measure'
  | 'counts'
  | 'seed'
  | 'settings'
  | 'progress'
  | 'signal'
>;

export interface CascadeResult {
  /** The models as stages that carry nothing; without those at which nobody may leave. */
  readonly staged: StagedModel;
  /** The last model with its batch freed: what accuracy is compared with. */
  readonly whole: Model;
  readonly report: ExitReport;
  readonly parts: ProofParts;
}

/**
 * Makes a cascade of separate models for one task: each answers what it is sure of, the next one what is left, the last one all the
 * rest. How sure is calibrated, and thresholds are certified as those of early exits are: that the accuracy falls by more than `maxDrop`
 * points against the last model has a chance of 1 - confidence at most. Where that cannot be certified the last model stays alone and
 * the report says 'infeasible'. Throws EXITS_UNFIT, DATA_*, USAGE_BAD_OPTION.
 */
export async function cascadeOf(
  models: readonly CascadeModel[],
  options: CascadeOptions,
): Promise<CascadeResult> {
  const { seed = 0, maxDrop = 0.5, confidence = 0.95, measure = 'max-probability' } = options;
  const { settings, progress = SILENT, signal } = options;
  if (models.length < 2) throw fail('USAGE_BAD_OPTION', 'a cascade takes two models or more');
  const freed: Model[] = [];
  for (const { model } of models) {
    freed.push((await freeBatch.apply(model, freeBatch.defaults, { progress: SILENT, seed, signal })).model);
  }
  const whole = freed.at(-1)!;
  const answers = answersOf(whole, options.output);
  const members = freed.map((model, i) => memberOf(models[i]!.id, model, whole, answers));
  const untuned = stagedOf(
    members,
    whole,
    members.slice(1).map(() => Number.POSITIVE_INFINITY),
    [],
  );
  const parts = await divideToProve(options.data, { seed, signal });
  const recordPart = (part: Dataset, staged = untuned) =>
    recordStages(staged, whole, answers, part, { settings, progress, signal });
  const tuning = await recordPart(parts.tuning);
  const calibrations = members.slice(0, -1).map(({ decision }, i) =>
    fitTemperature({
      scores: stageScores(tuning, i, answers.decision),
      classes: decision.size,
      scale: decision.scale,
      truth: tuning.truth,
    }),
  );
  const tableOf = (kept: StageRecord, own: readonly Member[], fits: readonly Calibration[]): ExitTable => {
    const judged = own.map(({ decision }, i) =>
      judge(stageScores(kept, i, answers.decision), decision.size, {
        scale: decision.scale,
        temperature: fits[i]?.temperature ?? 1,
        confidence: measure,
      }),
    );
    const right = (best: Int32Array) => Uint8Array.from(best, (c, i) => (c === kept.truth[i] ? 1 : 0));
    let macs = 0;
    return {
      samples: kept.samples,
      macs: own.map((member) => {
        macs += member.macs;
        return macs;
      }),
      confidence: judged.slice(0, -1).map((one) => one.confidence),
      right: judged.map(({ best }) => right(best)),
      whole: right(judged.at(-1)!.best),
    };
  };
  const tuned = tableOf(tuning, members, calibrations);
  const steps = thresholdPath(tuned);
  const path = options.counts === 'lost' ? steps : fromSafest(steps, tuned, maxDrop / 100);
  const certificate = certify(path, tableOf(await recordPart(parts.certification), members, calibrations), {
    maxDrop: maxDrop / 100,
    confidence,
    counts: options.counts,
  });
  const used = (i: number) =>
    i === members.length - 1 || certificate.thresholds[i]! < Number.POSITIVE_INFINITY;
  const kept = members.filter((_, i) => used(i));
  const fits = calibrations.filter((_, i) => used(i));
  const thresholds = certificate.thresholds.filter((_, i) => used(i));
  const staged = stagedOf(kept, whole, thresholds, fits, measure);
  const test = await recordPart(parts.test, staged);
  const table = tableOf(test, kept, fits);
  const wholeMacs = members.at(-1)!.macs;
  const { outcome, test: figures } = testFigures(table, thresholds, wholeMacs);
  const report: ExitReport = {
    decision: answers.decision.name,
    labelled: test.labelled,
    division: parts.rule,
    joint: false,
    int8: false,
    wholeMacs,
    places: [],
    dropped: members.flatMap(({ id }, i) => (used(i) ? [] : [id])),
    certificate,
    exits: rowsOf(kept, table, outcome, thresholds, fits),
    test: figures,
    others: sideOutputs(test, table, thresholds, answers, new Map()),
  };
  return { staged, whole, report, parts };
}

interface Member {
  readonly id: string;
  readonly model: Model;
  readonly macs: number;
  /** Output of the last model to that of this one. */
  readonly answers: Readonly<Record<string, string>>;
  readonly decision: Answer;
}

/** Fits a model to the names of the last one. Throws EXITS_UNFIT. */
function memberOf(id: string, model: Model, whole: Model, answers: Answers): Member {
  const refuse = (why: string) =>
    fail('EXITS_UNFIT', `${id} cannot stand before the last model: ${why}`, { model: id });
  const own = answersOf(
    model,
    answers.all.length === 1 || model === whole ? undefined : nameIn(model, answers.decision.name),
  );
  if (own.all.length !== answers.all.length) {
    throw refuse(`it has ${own.all.length} outputs, not ${answers.all.length}`);
  }
  const found = answers.all.map(({ name, size }, i): [string, string] => {
    const match = own.all.find((answer) => answer.name === name) ?? own.all[i]!;
    if (match.size !== size)
      throw refuse(`its output ${match.name} has ${match.size} numbers a sample, not ${size}`);
    return [name, match.name];
  });
  const mapped = Object.fromEntries(found);
  const decision = own.all.find(({ name }) => name === mapped[answers.decision.name])!;
  const alike = inScaleOf(withInputsOf(model, whole, refuse), decision, answers.decision);
  mapped[answers.decision.name] = alike.name;
  return {
    id,
    model: alike.model,
    macs: costOf(alike.model).total.macs,
    answers: mapped,
    decision: { ...answers.decision, name: alike.name },
  };
}

/** The scores as the last model gives them: probabilities or logits. */
function inScaleOf(model: Model, own: Answer, wanted: Answer): { model: Model; name: string } {
  if (own.scale === wanted.scale) return { model, name: own.name };
  const copy = cloneModel(model);
  const { graph } = copy;
  const fresh = namer(graph);
  const name = fresh(`${own.name}_${wanted.scale}`);
  const axis = { axis: attr.int(1) };
  if (wanted.scale === 'probabilities') {
    const binary = own.size === 1;
    graph.nodes.push(makeNode(binary ? 'Sigmoid' : 'Softmax', [own.name], [name], binary ? {} : axis));
  } else if (own.size > 1) graph.nodes.push(makeNode('Log', [own.name], [name]));
  else {
    // log(p / (1 - p)) = -log(1 / p - 1).
    const [part, rest, one, log] = ['part', 'rest', 'one', 'log'].map((stem) => fresh(`${name}_${stem}`)) as [
      string,
      string,
      string,
      string,
    ];
    graph.initializers.set(one, Tensor.float32([], [1]));
    graph.nodes.push(
      makeNode('Reciprocal', [own.name], [part]),
      makeNode('Sub', [part, one], [rest]),
      makeNode('Log', [rest], [log]),
      makeNode('Neg', [log], [name]),
    );
  }
  const info = graph.outputs.find((output) => output.name === own.name)!;
  graph.outputs = graph.outputs.map((output) => (output === info ? { ...info, name } : output));
  return { model: copy, name };
}

function nameIn({ graph }: Model, name: string): string | undefined {
  return graph.outputs.some((output) => output.name === name) ? name : undefined;
}

/** The model with the input names of another, where both have one input; inputs of the same name are the same tensor. */
function withInputsOf(model: Model, whole: Model, refuse: (why: string) => Error): Model {
  const inputsOf = ({ graph }: Model) => graph.inputs.filter(({ name }) => !graph.initializers.has(name));
  const [own, wanted] = [inputsOf(model), inputsOf(whole)];
  const missing = own.find(({ name }) => !wanted.some((input) => input.name === name));
  if (missing === undefined) return model;
  if (own.length > 1 || wanted.length > 1)
    throw refuse(`it reads ${missing.name}, which the last model does not`);
  const copy = cloneModel(model);
  const { graph } = copy;
  const name = wanted[0]!.name;
  const holder = namer(graph)(`${name}_of_its_own`);
  const taken = graph.nodes.some(({ outputs }) => outputs.includes(name));
  if (taken) renameValue(graph, name, holder);
  renameValue(graph, missing.name, name);
  graph.inputs = graph.inputs.map((input) => (input.name === missing.name ? { ...input, name } : input));
  return copy;
}

function stagedOf(
  members: readonly Member[],
  whole: Model,
  thresholds: Thresholds,
  calibrations: readonly Calibration[],
  confidence: NonNullable<CascadeOptions['measure']> = 'max-probability',
): StagedModel {
  const axes = sampleAxes(whole);
  const { graph } = whole;
  const stages = members.map(({ id, model, macs, answers, decision }, i): Stage => {
    const last = i === members.length - 1;
    const exit = {
      scores: decision.name,
      scale: decision.scale,
      temperature: calibrations[i]?.temperature ?? 1,
      confidence,
      threshold: thresholds[i]!,
    };
    return { id, model, answers, carried: [], macs, ...(!last && { exit }) };
  });
  return {
    stages,
    inputs: portsOf(
      whole,
      graph.inputs.filter(({ name }) => !graph.initializers.has(name)),
      axes,
    ),
    outputs: portsOf(whole, graph.outputs, axes),
  };
}

function rowsOf(
  members: readonly Member[],
  table: ExitTable,
  outcome: { readonly leaving: readonly number[]; readonly right: readonly number[]; readonly n: number },
  thresholds: Thresholds,
  calibrations: readonly Calibration[],
): ExitRow[] {
  const { leaving, right, n } = outcome;
  return members.map(
    ({ id }, i): ExitRow => ({
      id,
      node: '',
      macs: table.macs[i]!,
      leaves: share(leaving[i]!, n),
      accuracy: leaving[i]! > 0 ? share(right[i]!, leaving[i]!) : undefined,
      threshold: thresholds[i],
      calibration: calibrations[i],
      features: undefined,
      pooling: undefined,
      hidden: undefined,
    }),
  );
}
