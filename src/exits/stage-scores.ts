import { type Progress, SILENT } from '../base/index.ts';
import { bind, type Dataset } from '../data/index.ts';
import type { Tensor } from '../graph/index.ts';
import { type OrtSession, openSession, type SessionSettings } from '../run/index.ts';
import type { StagedModel } from './staged-model.ts';

export interface StageScores {
  readonly samples: number;
  /** [stages]: numbers of the decision for each sample, row-major: scores of an exit's rule, last the whole model's answer. */
  readonly scores: readonly Float32Array[];
}

export interface StageScoresOptions {
  /** Samples per run. Default 32. */
  readonly batch?: number;
  readonly settings?: Partial<SessionSettings>;
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

/**
 * Sends every sample through all stages, nobody leaving, and keeps what each stage says of the decision (`output` of the whole
 * model): all that is needed to know what any thresholds would do.
 */
export async function scoresOfStages(
  staged: StagedModel,
  data: Dataset,
  output: string,
  options: StageScoresOptions = {},
): Promise<StageScores> {
  const { progress = SILENT, signal, settings, batch = 32 } = options;
  const sessions: OrtSession[] = [];
  const kept: number[][] = staged.stages.map(() => []);
  const stage = progress.stage('Asking every exit', data.size);
  let samples = 0;
  try {
    for (const { model } of staged.stages) sessions.push(await openSession(model, settings));
    for await (const { indices, feeds } of bind(data, staged.inputs, { batch, signal })) {
      const known: Record<string, Tensor> = { ...feeds };
      for (const [i, { exit, answers, carried }] of staged.stages.entries()) {
        const session = sessions[i]!;
        const given = Object.fromEntries(session.inputs.map(({ name }) => [name, known[name]!]));
        const fetched = await session.run(given, { signal });
        for (const name of carried) known[name] = fetched[name]!;
        for (const value of fetched[exit?.scores ?? answers[output]!]!.as('float32')) kept[i]!.push(value);
      }
      samples += indices.length;
      stage.advance(indices.length);
    }
  } finally {
    stage.end();
    await Promise.all(sessions.map((session) => session.dispose()));
  }
  return { samples, scores: kept.map((values) => Float32Array.from(values)) };
}
