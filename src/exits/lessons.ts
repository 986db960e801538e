import type { Dataset } from '../data/index.ts';
import { sizeOf } from '../graph/index.ts';
import { LOSSES, type Term } from '../train/index.ts';
import type { Answer } from './answers.ts';
import type { Column } from './beside.ts';
import { classLabels, type Recorded } from './recorded.ts';

/** Scores of a classifier lie about so far apart; those that lie further are brought to it, so that a softmax of them teaches. */
const SPREAD = 8;

/** What heads are taught: what the whole model answers, and what the data says where it does. */
export interface Lessons {
  /** Arrays to be laid beside the data: the model's answers by answer. */
  readonly columns: Readonly<Record<string, Column>>;
  /** The terms that teach one set of outputs. */
  terms(outputOf: (answer: Answer) => Taught): Term[];
}

/** An output that learns. */
export interface Taught {
  /** Its value before a last softmax or sigmoid. */
  readonly scores: string;
  /** True for the whole model's own output: its scores are of the size that they were. */
  readonly grown: boolean;
  /** Axis of the classes in the scores. */
  readonly axis: number;
}

export interface LessonOptions {
  /** Share of the whole model's answers in what is learned; the rest is the labels'. Without labels 1. Default 0.7. */
  readonly alpha?: number;
  /** Softens the distributions of classes. Default 2. */
  readonly temperature?: number;
  readonly signal?: AbortSignal;
}

const ALPHA = 0.7;
const TEMPERATURE = 2;

/** The array beside the data that holds what the model answers. */
export function taughtColumn(answer: Answer): string {
  return `modicum.taught.${answer.name}`;
}

/**
 * The lessons of a training part: distillation from what the whole model answers (`recorded`, its logits), and the labels for the
 * deciding output and arrays of the data that bear the name of another output.
 */
export async function lessonsOf(
  data: Dataset,
  recorded: Recorded,
  answers: { readonly all: readonly Answer[]; readonly decision: Answer },
  options: LessonOptions = {},
): Promise<Lessons> {
  const { alpha = ALPHA, temperature = TEMPERATURE, signal } = options;
  const labelled = (await classLabels(data, answers.decision.size, signal)) !== undefined;
  const columns: Record<string, Column> = {};
  const scales = new Map<Answer, number>();
  for (const answer of answers.all) {
    const values = recorded.values.get(answer.logits)!;
    columns[taughtColumn(answer)] = { values, dims: [answer.size] };
    const spread = spreadOf(values, answer);
    scales.set(
      answer,
      answer.kind === 'values' ? 1 / Math.max(1e-12, spread ** 2) : Math.min(1, SPREAD / spread),
    );
  }
  return {
    columns,
    terms: (outputOf) =>
      answers.all.flatMap((answer) => {
        const { scores, grown, axis } = outputOf(answer);
        const size = scales.get(answer)!;
        const truth = truthOf(answer, answer === answers.decision && labelled, data);
        const share = truth === undefined ? 1 : alpha;
        const terms: Term[] = [];
        const source = { from: 'field', field: taughtColumn(answer) } as const;
        if (answer.kind === 'values') {
          if (share > 0)
            terms.push({ loss: LOSSES.mse, prediction: scores, source, options: {}, weight: share * size });
          if (truth !== undefined && share < 1)
            terms.push({
              loss: LOSSES.mse,
              prediction: scores,
              source: truth,
              options: {},
              weight: (1 - share) * size,
            });
          return terms;
        }
        const scale = grown ? size : 1;
        const classes = answer.kind === 'classes';
        if (share > 0)
          terms.push({
            loss: classes ? LOSSES.kl : LOSSES['binary-kl'],
            prediction: scores,
            source,
            options: { axis, temperature, scale, targetScale: size },
            weight: share,
          });
        if (truth !== undefined && share < 1)
          terms.push({
            loss: classes ? LOSSES['cross-entropy'] : LOSSES['binary-cross-entropy'],
            prediction: scores,
            source: truth,
            options: { axis, scale },
            weight: 1 - share,
          });
        return terms;
      }),
  };
}

/** Where the data says what an output should be. */
function truthOf(answer: Answer, byLabels: boolean, data: Dataset): Term['source'] | undefined {
  if (byLabels) return { from: 'labels' };
  const field = data.fields.find(({ name }) => name === answer.name);
  if (field === undefined || answer.kind === 'classes' || sizeOf(field.dims) !== answer.size)
    return undefined;
  return { from: 'field', field: answer.name };
}

/** How far the scores of a sample lie apart, on average; of plain numbers their deviation over the samples. */
function spreadOf(values: Float32Array, { kind, size }: Answer): number {
  const over = kind === 'classes' ? size : values.length;
  let sum = 0;
  for (let at = 0; at < values.length; at += over) {
    const row = values.subarray(at, at + over);
    let mean = 0;
    // A single score stands against nothing: its size is its spread.
    if (kind !== 'binary') for (const value of row) mean += value / over;
    let squares = 0;
    for (const value of row) squares += (value - mean) ** 2 / over;
    sum += Math.sqrt(squares);
  }
  return Math.max(1e-6, sum / Math.max(1, values.length / over));
}
