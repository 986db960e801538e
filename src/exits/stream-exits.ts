import type { Dataset } from '../data/index.ts';
import type { Model } from '../graph/index.ts';
import { openSession, type SessionSettings } from '../run/index.ts';
import type { ConfidenceKind } from '../staged/index.ts';
import { answersOf } from './answers.ts';
import { fitTemperature } from './calibrate.ts';
import { divideToProve, type ProofParts } from './divide.ts';
import { classLabels } from './recorded.ts';
import { type StreamScores, type WindowOptions, windowScores } from './stream-scores.ts';
import { certifyStream, type StreamReport, type Streams } from './streaming.ts';

export interface StreamExitsOptions extends Omit<WindowOptions, 'output'> {
  /** Whole recordings, as the model takes them. */
  readonly data: Dataset;
  /** Points by which the accuracy may fall against deciding at the end. Default 1. */
  readonly maxDrop?: number;
  /** Default 0.95. */
  readonly confidence?: number;
  /** The output whose scores decide. Default: see `answersOf`. */
  readonly output?: string;
  readonly measure?: ConfidenceKind;
  /** Steps in a row that must agree: the best of these. Default 1, 2 and 3. */
  readonly consecutive?: readonly number[];
  readonly least?: number;
  readonly seed?: number;
  readonly settings?: Partial<SessionSettings>;
}

export interface StreamExitsResult {
  readonly report: StreamReport;
  readonly parts: ProofParts;
  /** False: no labels, so that right means as at the end. */
  readonly labelled: boolean;
}

/**
 * Makes a classifier of whole windows decide streams early: it hears every recording bit by bit, and thresholds by step are certified on
 * recordings apart. The temperature is fitted over all steps, since early ones are surer than they should be. Throws EXITS_UNFIT, DATA_*,
 * USAGE_BAD_OPTION, STAGES_INVALID, and what the session throws.
 */
export async function streamExits(model: Model, options: StreamExitsOptions): Promise<StreamExitsResult> {
  const { seed = 0, signal, settings, measure = 'max-probability' } = options;
  const { decision } = answersOf(model, options.output);
  const parts = await divideToProve(options.data, { seed, signal });
  const session = await openSession(model, settings);
  try {
    const listen = async (part: Dataset): Promise<Streams> => ({
      scores: await windowScores(session, part, { ...options, output: decision.name }),
      truth: await classLabels(part, decision.size, signal),
    });
    const tuning = await listen(parts.tuning);
    const temperature = temperatureOf(tuning, decision.scale);
    const report = certifyStream({
      tuning,
      certification: await listen(parts.certification),
      test: await listen(parts.test),
      reading: { scale: decision.scale, temperature, confidence: measure },
      maxDrop: options.maxDrop,
      confidence: options.confidence,
      consecutive: options.consecutive,
      least: options.least,
    });
    return { report, parts, labelled: tuning.truth !== undefined };
  } finally {
    await session.dispose();
  }
}

/** Over all steps together; without labels, 1: what the end says is no truth to be calibrated by. */
function temperatureOf({ scores, truth }: Streams, scale: 'logits' | 'probabilities'): number {
  if (truth === undefined) return 1;
  return fitTemperature({
    scores: joined(scores),
    classes: scores.classes,
    scale,
    truth: Int32Array.from({ length: scores.steps * scores.samples }, (_, i) => truth[i % scores.samples]!),
  }).temperature;
}

function joined({ scores, samples, classes }: StreamScores): Float32Array {
  const all = new Float32Array(scores.length * samples * classes);
  for (const [step, row] of scores.entries()) all.set(row, step * samples * classes);
  return all;
}
