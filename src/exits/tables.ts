import type { Progress } from '../base/index.ts';
import type { Dataset } from '../data/index.ts';
import type { Model } from '../graph/index.ts';
import { openSession, type SessionSettings } from '../run/index.ts';
import { type ConfidenceKind, judge, type StagedModel } from '../staged/index.ts';
import type { Answer, Answers } from './answers.ts';
import { everyStage, stageOutput } from './every-stage.ts';
import { classLabels, type Recorded, record } from './recorded.ts';
import type { ExitTable } from './thresholds.ts';

/** What every stage and the whole model say of the samples of a part, and what is right. */
export interface StageRecord {
  readonly samples: number;
  readonly staged: Recorded;
  readonly whole: Recorded;
  /** [samples]: the class of the label, or without labels what the whole model answers. */
  readonly truth: Int32Array;
  readonly labelled: boolean;
}

export interface RecordStagesOptions {
  readonly settings?: Partial<SessionSettings>;
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

/** Runs a part through all stages and through the whole model. Throws DATA_*, and what a session throws. */
export async function recordStages(
  staged: StagedModel,
  whole: Model,
  answers: Answers,
  data: Dataset,
  options: RecordStagesOptions = {},
): Promise<StageRecord> {
  const { settings, progress, signal } = options;
  const all = answers.all.map(({ name }) => name);
  const names = staged.stages.flatMap((_, i) => all.map((name) => stageOutput(i, name)));
  const pieces = await everyStage(staged, settings);
  let stagewise: Recorded;
  try {
    stagewise = await record(pieces, data, names, { progress, signal, label: 'Asking every exit' });
  } finally {
    await pieces.dispose();
  }
  const session = await openSession(whole, settings);
  try {
    const recorded = await record(session, data, all, { progress, signal, label: 'Asking the whole model' });
    const labels = await classLabels(data, answers.decision.size, signal);
    const truth = labels ?? decided(recorded.values.get(answers.decision.name)!, answers.decision);
    return { samples: data.size, staged: stagewise, whole: recorded, truth, labelled: labels !== undefined };
  } finally {
    await session.dispose();
  }
}

/** Scores of the decision at a stage, row-major. */
export function stageScores({ staged }: StageRecord, stage: number, { name }: Answer): Float32Array {
  return staged.values.get(stageOutput(stage, name))!;
}

/**
 * What thresholds can do with the recorded samples, under these temperatures; what is lost is reckoned from the given model, or from the
 * last stage (`against`). Without labels right is what that one answers.
 */
export function exitTable(
  kept: StageRecord,
  staged: StagedModel,
  decision: Answer,
  temperatures: readonly number[],
  confidence: ConfidenceKind,
  against: 'given' | 'end' = 'given',
): ExitTable {
  const { scale, size } = decision;
  let macs = 0;
  const cumulative = staged.stages.map((stage) => {
    macs += stage.macs;
    return macs;
  });
  const judged = temperatures.map((temperature, i) =>
    judge(stageScores(kept, i, decision), size, { scale, temperature, confidence }),
  );
  const last = decided(stageScores(kept, temperatures.length, decision), decision);
  const truth = kept.labelled || against === 'given' ? kept.truth : last;
  const isRight = (best: Int32Array) => Uint8Array.from(best, (c, i) => (c === truth[i] ? 1 : 0));
  const given = decided(kept.whole.values.get(decision.name)!, decision);
  return {
    samples: kept.samples,
    macs: cumulative,
    confidence: judged.map((one) => one.confidence),
    right: [...judged.map(({ best }) => isRight(best)), isRight(last)],
    whole: isRight(against === 'end' ? last : given),
  };
}

function decided(scores: Float32Array, { size, scale }: Answer): Int32Array {
  return judge(scores, size, { scale, temperature: 1, confidence: 'margin' }).best;
}
