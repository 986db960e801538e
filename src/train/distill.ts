import { fail } from '../base/index.ts';
import { bind, type Dataset, planBatch } from '../data/index.ts';
import { cloneModel, type Dim, inferShapes, type Model } from '../graph/index.ts';
import { openSession, type Session } from '../run/index.ts';
import { fit } from './loop/fit.ts';
import type { FitOptions, FitResult } from './loop/options.ts';
import { type Answers, Teacher, type Unmake } from './loop/teacher.ts';
import { lossByName } from './losses/index.ts';
import type { LossOptions } from './losses/loss.ts';
import { scalesOf } from './losses/score-scale.ts';
import { type Tail, tailOf } from './losses/scores.ts';
import { type Prepared, prepareForTraining } from './prepare/prepare.ts';
import type { Term } from './step/objective.ts';
import { type LossRequest, labelTerms } from './terms.ts';

/** An inner value of the student that is to resemble one of the teacher's. */
export interface FeaturePair {
  readonly student: string;
  readonly teacher: string;
  /** Default 1. */
  readonly weight?: number;
}

export interface DistillOptions extends FitOptions, LossOptions {
  /** Share of the teacher in the loss, the rest is the labels'. Default 0.9 where the data has labels, else 1. */
  readonly alpha?: number;
  /** kl, binary-kl, mse or cosine. Default: what the teacher's outputs end in. */
  readonly loss?: string;
  /** What the outputs learn from the labels; see `train`. */
  readonly losses?: readonly LossRequest[];
  /** Inner values to be matched; the teacher must be a model at hand. */
  readonly features?: readonly FeaturePair[];
  /** What the teacher's outputs are, where it is a session. Default: told from the values. */
  readonly scores?: 'logits' | 'probabilities';
  /** What this teacher answered in an earlier run over the same data, and takes what it answers in this one. */
  readonly answers?: Answers;
}

const ALPHA = 0.9;
/** Hinton et al. 2015 use 2 to 20; Cho and Hariharan 2019 settle on 4. */
const TEMPERATURE = 4;

/**
 * Teaches a student what a teacher answers, with labels or without. The teacher is a model, or whatever answers as a session (a
 * served one, say); the student a model, or one that is prepared already. Outputs are paired by name, else by place. Throws
 * TRAIN_TARGET_MISMATCH where they do not fit, and what `train` throws.
 */
export async function distill(
  teacher: Model | Session,
  student: Model | Prepared,
  data: Dataset,
  options: DistillOptions = {},
): Promise<FitResult> {
  const {
    alpha,
    losses,
    features = [],
    loss,
    scores,
    answers,
    axis,
    smoothing,
    temperature = TEMPERATURE,
    ...rest
  } = options;
  const share = alpha ?? (data.labels === undefined && losses === undefined ? 1 : ALPHA);
  if (!(share >= 0 && share <= 1)) throw fail('USAGE_BAD_OPTION', `alpha must be from 0 to 1, not ${share}`);
  const prepared = 'forward' in student ? student : await prepareForTraining(student, options);
  const side = await open(teacher, features, options.settings?.threads);
  try {
    const pairs = pairOutputs(prepared.forward, side.outputs);
    const terms: Term[] = [];
    const unmake = new Map<string, Unmake>();
    const scales = new Map<string, number>();
    for (const pair of pairs) {
      const tail = tailOf(prepared.forward, pair.student);
      const known =
        side.tails?.get(pair.teacher) ?? (await guessTail(side.session, pair.teacher, tail, data, scores));
      const chosen = lossByName(loss ?? fitting(tail, known.tail, data, pair.dims));
      if (chosen.learnsFrom === 'labels') {
        throw fail('USAGE_BAD_OPTION', `${chosen.name} learns from labels; give it with --label-loss`);
      }
      const reads = chosen.reads === 'scores';
      const output = reads ? known.scores : pair.teacher;
      unmake.set(output, reads ? known.unmake : 'none');
      const { scale, targetScale } = reads
        ? await scalesOf(side.session, output, known.unmake, prepared.forward, tail.scores, data)
        : { scale: 1, targetScale: 1 };
      scales.set(tail.scores, scale);
      terms.push({
        loss: chosen,
        prediction: reads ? tail.scores : pair.student,
        source: { from: 'teacher', output },
        options: { axis, temperature, scale, targetScale },
        weight: (share || 1) / pairs.length,
      });
    }
    for (const pair of features) {
      terms.push(featureTerm(prepared.forward, side, pair));
      unmake.set(pair.teacher, 'none');
    }
    const all = share === 0 ? terms.slice(pairs.length) : terms;
    if (share < 1) {
      const labelled = labelTerms(prepared.forward, data, losses, { axis, smoothing });
      for (const term of labelled) {
        const loss = { ...term.options, scale: scales.get(term.prediction) ?? 1 };
        all.push({ ...term, options: loss, weight: term.weight * (1 - share) });
      }
    }
    const used = new Set(all.flatMap(({ source }) => (source.from === 'teacher' ? [source.output] : [])));
    const wanted = new Map([...unmake].filter(([name]) => used.has(name)));
    return await fit(
      prepared,
      all,
      data,
      wanted.size > 0 ? new Teacher(side.session, wanted, answers) : undefined,
      rest,
    );
  } finally {
    if (side.own) await side.session.dispose();
  }
}

/** The scores behind a teacher's output, and what makes them of what it answers. */
interface Known {
  readonly scores: string;
  readonly tail: Tail['kind'];
  readonly unmake: Unmake;
}

interface Side {
  readonly session: Session;
  /** Opened here, and closed here. */
  readonly own: boolean;
  readonly outputs: readonly { readonly name: string; readonly shape: readonly Dim[] | undefined }[];
  /** For a model: what its outputs are made by. */
  readonly tails: ReadonlyMap<string, Known> | undefined;
  readonly model: Model | undefined;
}

async function open(
  teacher: Model | Session,
  features: readonly FeaturePair[],
  threads: number | undefined,
): Promise<Side> {
  if ('run' in teacher) {
    if (features.length > 0) {
      throw fail(
        'USAGE_BAD_OPTION',
        'inner values can be matched only with a teacher that is a model at hand',
      );
    }
    const { outputs } = teacher;
    return { session: teacher, own: false, outputs, tails: undefined, model: undefined };
  }
  // Scores and inner values are given out beside the outputs, so that nothing has to be undone.
  const model = cloneModel(teacher);
  const { graph } = model;
  const inference = inferShapes(model, { strict: false });
  const tails = new Map<string, Known>();
  const outputs = graph.outputs.map(({ name }) => ({ name, shape: inference.get(name)?.shape }));
  const expose = (name: string) => {
    if (graph.outputs.some((output) => output.name === name)) return;
    if (!graph.nodes.some((node) => node.outputs.includes(name))) {
      throw fail('USAGE_BAD_OPTION', `the teacher has no value "${name}"`);
    }
    const shape = inference.get(name)?.shape;
    graph.outputs.push({ name, type: { kind: 'tensor', dtype: 'float32', shape } });
  };
  for (const { name } of outputs) {
    const { scores, kind } = tailOf(model, name);
    expose(scores);
    tails.set(name, { scores, tail: kind, unmake: 'none' });
  }
  for (const pair of features) expose(pair.teacher);
  const session = await openSession(model, threads === undefined ? {} : { threads });
  return { session, own: true, outputs, tails, model };
}

function pairOutputs(
  student: Model,
  teacher: Side['outputs'],
): { student: string; teacher: string; dims: readonly Dim[] | undefined }[] {
  const inference = inferShapes(student, { strict: false });
  const own = student.graph.outputs.map(({ name }) => ({ name, shape: inference.get(name)?.shape }));
  const names = (list: readonly { readonly name: string }[]) => list.map(({ name }) => name).join(', ');
  const byName = own.filter(({ name }) => teacher.some((other) => other.name === name));
  const pairs =
    byName.length > 0
      ? byName.map((one) => [one, teacher.find((other) => other.name === one.name)!] as const)
      : own.length === teacher.length
        ? own.map((one, i) => [one, teacher[i]!] as const)
        : undefined;
  if (pairs === undefined) {
    const why = `the student answers ${names(own)}, the teacher ${names(teacher)}: neither names nor numbers agree`;
    throw fail('TRAIN_TARGET_MISMATCH', why);
  }
  for (const [one, other] of pairs) {
    if (fits(one.shape, other.shape)) continue;
    const text = (shape: readonly Dim[] | undefined) => `[${shape?.map((dim) => dim ?? '?') ?? '...'}]`;
    const why = `output ${one.name} of the student is ${text(one.shape)}, ${other.name} of the teacher ${text(other.shape)}`;
    throw fail('TRAIN_TARGET_MISMATCH', why);
  }
  return pairs.map(([one, other]) => ({ student: one.name, teacher: other.name, dims: one.shape }));
}

/** Whether two shapes hold the same numbers a sample, as far as they are known. */
function fits(a: readonly Dim[] | undefined, b: readonly Dim[] | undefined): boolean {
  if (a === undefined || b === undefined) return true;
  const size = (shape: readonly Dim[]) =>
    shape.slice(1).reduce<number>((all, dim) => all * Number(dim ?? Number.NaN), 1);
  const [one, other] = [size(a), size(b)];
  return Number.isNaN(one) || Number.isNaN(other) || one === other;
}

function fitting(tail: Tail, teacher: Tail['kind'], data: Dataset, dims: readonly Dim[] | undefined): string {
  if (tail.kind === 'sigmoid' || teacher === 'sigmoid') return 'binary-kl';
  if (tail.kind === 'softmax' || teacher === 'softmax') return 'kl';
  const classes =
    data.labels !== undefined && /^u?int/.test(data.labels.dtype) && data.labels.dims.length === 0;
  return classes && dims?.length === 2 && Number(dims[1]) > 1 ? 'kl' : 'mse';
}

/** What a session's output ends in, by its values on some samples. */
async function guessTail(
  session: Session,
  output: string,
  student: Tail,
  data: Dataset,
  said: DistillOptions['scores'],
): Promise<Known> {
  const plain: Known = { scores: output, tail: 'none', unmake: 'none' };
  if (said === 'logits') return plain;
  const indices = Array.from({ length: Math.min(32, data.size) }, (_, i) => i);
  const { batch } = planBatch(data, session.inputs, indices.length, { samples: indices.length });
  let [unit, sums] = [true, true];
  for await (const { feeds } of bind(data, session.inputs, { batch, indices })) {
    const tensor = (await session.run(feeds, { outputs: [output] }))[output]!;
    const values = tensor.as('float32');
    const width = tensor.dims.at(-1) ?? 1;
    unit &&= values.every((value) => value >= 0 && value <= 1);
    for (let at = 0; at < values.length; at += width) {
      const sum = values.subarray(at, at + width).reduce((a, b) => a + b, 0);
      sums &&= width > 1 && Math.abs(sum - 1) < 1e-3;
    }
  }
  if (unit && sums) return { scores: output, tail: 'softmax', unmake: 'log' };
  if (unit && (student.kind === 'sigmoid' || said === 'probabilities')) {
    return { scores: output, tail: 'sigmoid', unmake: 'logit' };
  }
  return plain;
}

/** Channels are axis 1 of images and signals, the last of everything else. */
function featureTerm(student: Model, side: Side, { student: own, teacher, weight = 1 }: FeaturePair): Term {
  const a = inferShapes(student, { strict: false }).get(own)?.shape;
  const b = inferShapes(side.model!, { strict: false }).get(teacher)?.shape;
  if (a === undefined) throw fail('USAGE_BAD_OPTION', `the student has no value "${own}" of known shape`);
  if (b === undefined || a.length !== b.length) {
    throw fail('TRAIN_TARGET_MISMATCH', `${own} is [${a}], ${teacher} of the teacher [${b ?? '...'}]`);
  }
  const axis = a.length > 3 ? 1 : a.length - 1;
  const odd = a.findIndex((dim, i) => i > 0 && i !== axis && dim !== b[i]);
  if (odd >= 0) {
    const why = `${own} is [${a}], ${teacher} of the teacher [${b}]: they differ in axis ${odd}, only channels may`;
    throw fail('TRAIN_TARGET_MISMATCH', why);
  }
  return {
    loss: lossByName('mse'),
    prediction: own,
    source: { from: 'teacher', output: teacher },
    options: {},
    weight,
    ...(a[axis] !== b[axis] && { project: { axis, width: Number(b[axis]) } }),
  };
}
