import { Random, SILENT } from '../base/index.ts';
import { type Dataset, inMemory } from '../data/index.ts';
import {
  type Graph,
  type Model,
  makeGraph,
  makeModel,
  namer,
  sizeOf,
  Tensor,
  tensorType,
} from '../graph/index.ts';
import { openSession } from '../run/index.ts';
import { type FitOptions, fit, prepareForTraining, type Term } from '../train/index.ts';
import type { Answer, Answers } from './answers.ts';
import { beside } from './beside.ts';
import { spread } from './divide.ts';
import {
  addHeads,
  classAxis,
  type HeadPlan,
  type HeadWeights,
  type Layer,
  type MultiExitModel,
  writeHead,
} from './heads.ts';
import { type LessonOptions, type Lessons, lessonsOf } from './lessons.ts';
import { standardOf, withFeatures } from './probe.ts';
import { type Recorded, record } from './recorded.ts';

/** How heads, or heads and backbone together, are trained. */
export interface HeadTraining
  extends LessonOptions,
    Pick<
      FitOptions,
      | 'epochs'
      | 'steps'
      | 'batch'
      | 'rate'
      | 'decay'
      | 'optimizer'
      | 'average'
      | 'seed'
      | 'settings'
      | 'progress'
    > {
  /** Training samples that heads are fitted to, at most. Default 20000. */
  readonly samples?: number;
}

const SAMPLES = 20_000;
const HEADS: FitOptions = { epochs: 15, batch: 128, optimizer: 'adamw', rate: 5e-3, decay: 1e-4 };
/** The backbone knows a lot already: a low rate. */
const JOINT: FitOptions = { epochs: 5, batch: 64, optimizer: 'adamw', rate: 5e-4, decay: 1e-4 };

/**
 * Attaches heads and trains them with the backbone frozen: the backbone answers the training samples once, and the heads learn from
 * the features it gave, so that nothing of it can change. Each learns what the whole model answers, and the labels where the
 * data has any. Throws DATA_*, TRAIN_*.
 */
export async function trainHeads(
  model: Model,
  answers: Answers,
  plans: readonly HeadPlan[],
  data: Dataset,
  options: HeadTraining = {},
): Promise<MultiExitModel> {
  const part = spread(data, options.samples ?? SAMPLES);
  const { model: shown, names } = withFeatures(
    model,
    plans,
    answers.all.map(({ logits }) => logits),
  );
  const recorded = await answerOnce(shown, part, options);
  const lessons = await lessonsOf(part, recorded, answers, options);
  const standards = names.map((name) => standardOf(recorded.values.get(name)!, recorded.widths.get(name)!));
  const features = Object.fromEntries(
    plans.map(({ id }, i) => {
      const width = recorded.widths.get(names[i]!)!;
      const values = recorded.values.get(names[i]!)!.slice();
      const { mean, scale } = standards[i]!;
      for (let at = 0; at < values.length; at++)
        values[at] = (values[at]! - mean[at % width]!) * scale[at % width]!;
      return [featureField(id), Tensor.float32([part.size, width], values)];
    }),
  );
  const lesson = await onFeatures(part, features, lessons, answers.all, options.signal);
  const random = new Random(options.seed ?? 0);
  const raw = plans.map((plan) => freshHead(plan, answers.all, random));
  const net = headsAlone(plans, raw, answers.all);
  const outputs = net.graph.outputs.map(({ name }) => name);
  const terms = plans.flatMap((_, i) =>
    lessons.terms((answer) => ({
      scores: outputs[i * answers.all.length + answers.all.indexOf(answer)]!,
      grown: false,
      axis: 1,
    })),
  );
  const prepared = await prepareForTraining(net, { progress: SILENT, signal: options.signal });
  const { model: trained } = await fit(prepared, even(terms, plans.length), lesson, undefined, {
    ...HEADS,
    ...fitOptions(options),
  });
  const weights = plans.map((plan, i) => unstandardized(read(trained, plan, answers.all), standards[i]!));
  return addHeads(
    model,
    answers.all,
    plans.map((plan, i) => ({ plan, weights: weights[i]! })),
  );
}

/**
 * Trains backbone and heads of a model together, the last outputs too, towards what the whole model answered before and the
 * labels. Batch normalizations keep their statistics. Throws DATA_*, TRAIN_*.
 */
export async function trainJointly(
  multi: MultiExitModel,
  original: Model,
  answers: Answers,
  data: Dataset,
  options: HeadTraining = {},
): Promise<MultiExitModel> {
  const part = spread(data, options.samples ?? data.size);
  const shown = withFeatures(
    original,
    [],
    answers.all.map(({ logits }) => logits),
  ).model;
  const lessons = await lessonsOf(part, await answerOnce(shown, part, options), answers, options);
  const logitsOf = (output: string, answer: Answer) =>
    answer.tail === undefined ? output : tailInput(multi.model.graph, output);
  const terms = [
    ...lessons.terms((answer) => ({ scores: answer.logits, grown: true, axis: classAxis(answer) })),
    ...multi.heads.flatMap((head) =>
      lessons.terms((answer) => ({
        scores: logitsOf(head.answers[answer.name]!, answer),
        grown: false,
        axis: classAxis(answer),
      })),
    ),
  ];
  const prepared = await prepareForTraining(multi.model, { progress: SILENT, signal: options.signal });
  const { model } = await fit(
    prepared,
    even(terms, multi.heads.length + 1),
    beside(part, shapedAs(lessons, answers.all)),
    undefined,
    { ...JOINT, normalization: 'frozen', ...fitOptions(options) },
  );
  return { model, heads: multi.heads };
}

function tailInput(graph: Graph, output: string): string {
  return graph.nodes.find(({ outputs }) => outputs.includes(output))!.inputs[0]!;
}

/** Columns in the shape of the outputs that learn from them. */
function shapedAs({ columns }: Lessons, answers: readonly Answer[]): Lessons['columns'] {
  return Object.fromEntries(
    Object.entries(columns).map(([name, column], i) => [name, { ...column, dims: answers[i]!.dims }]),
  );
}

async function answerOnce(
  shown: Model,
  part: Dataset,
  { settings, progress, signal }: HeadTraining,
): Promise<Recorded> {
  const session = await openSession(shown, settings);
  try {
    const outputs = shown.graph.outputs.map(({ name }) => name);
    return await record(session, part, outputs, { progress, signal, label: 'Asking the whole model' });
  } finally {
    await session.dispose();
  }
}

/** The features as a dataset, with the lessons and what the data says beside them. */
async function onFeatures(
  part: Dataset,
  features: Record<string, Tensor>,
  { columns }: Lessons,
  answers: readonly Answer[],
  signal: AbortSignal | undefined,
): Promise<Dataset> {
  const fields = part.fields.filter(({ name }) => answers.some((answer) => answer.name === name));
  const read: Record<string, Tensor> = { ...features };
  for await (const batch of part.read({ batch: part.size, fields: fields.map(({ name }) => name), signal })) {
    for (const { name, dims } of fields) {
      read[name] = Tensor.float32([part.size, ...dims], batch.feeds[name]!.numbers());
    }
    return beside(inMemory(read, batch.labels, { name: part.name }), columns);
  }
  return beside(inMemory(read, undefined, { name: part.name }), columns);
}

const featureField = (id: string) => `modicum.features.${id}`;

/** He et al. 2015 for inner layers; last layers begin at zero: no class is preferred. */
function freshHead({ features, hidden }: HeadPlan, answers: readonly Answer[], random: Random): HeadWeights {
  const last = hidden > 0 ? hidden : features;
  const zeros = (out: number): Layer => ({
    weight: Tensor.float32([out, last], new Float32Array(out * last)),
    bias: Tensor.float32([out], new Float32Array(out)),
  });
  const own = new Map(answers.map(({ name, size }) => [name, zeros(size)] as const));
  if (hidden === 0) return { answers: own };
  const deviation = Math.sqrt(2 / features);
  const values = Float32Array.from({ length: hidden * features }, () => deviation * random.normal());
  return {
    hidden: {
      weight: Tensor.float32([hidden, features], values),
      bias: Tensor.float32([hidden], new Float32Array(hidden)),
    },
    answers: own,
  };
}

/** A model of the heads alone: features in, logits out, by plan and then by answer. */
function headsAlone(
  plans: readonly HeadPlan[],
  weights: readonly HeadWeights[],
  answers: readonly Answer[],
): Model {
  const plain = answers.map(flat);
  const graph = makeGraph({
    name: 'heads',
    inputs: plans.map(({ id, features }) => ({
      name: featureField(id),
      type: tensorType('float32', ['N', features]),
    })),
    outputs: [],
    nodes: [],
  });
  const name = namer(graph);
  for (const [i, plan] of plans.entries()) {
    const own = writeHead(graph, plan, weights[i]!, plain, featureField(plan.id), name);
    for (const answer of plain) {
      graph.outputs.push({ name: own[answer.name]!, type: tensorType('float32', ['N', answer.size]) });
    }
  }
  return makeModel(graph, 13, { irVersion: 7 });
}

/** An answer as logits in one row. */
function flat(answer: Answer): Answer {
  return { ...answer, dims: [answer.size], tail: undefined };
}

function read({ graph }: Model, { id, hidden }: HeadPlan, answers: readonly Answer[]): HeadWeights {
  const layer = (stem: string): Layer => ({
    weight: graph.initializers.get(`${stem}.weight`)!,
    bias: graph.initializers.get(`${stem}.bias`)!,
  });
  const own = new Map(answers.map(({ name }) => [name, layer(`${id}.${name}.head`)] as const));
  return hidden > 0 ? { hidden: layer(`${id}.hidden`), answers: own } : { answers: own };
}

/** The same head on features as they are: (x - mean) * scale goes into its first layers. */
function unstandardized(
  weights: HeadWeights,
  { mean, scale }: { readonly mean: Float64Array; readonly scale: Float64Array },
): HeadWeights {
  const folded = ({ weight, bias }: Layer): Layer => {
    const [out, width] = weight.dims as [number, number];
    const w = weight.as('float32').slice();
    const b = bias.as('float32').slice();
    for (let o = 0; o < out; o++) {
      let shift = 0;
      for (let j = 0; j < width; j++) {
        const value = w[o * width + j]! * scale[j]!;
        shift += value * mean[j]!;
        w[o * width + j] = value;
      }
      b[o]! -= shift;
    }
    return { weight: Tensor.float32(weight.dims, w), bias: Tensor.float32(bias.dims, b) };
  };
  if (weights.hidden !== undefined) return { ...weights, hidden: folded(weights.hidden) };
  return { answers: new Map([...weights.answers].map(([name, layer]) => [name, folded(layer)])) };
}

/** The terms of several exits, each of the same weight. */
function even(terms: readonly Term[], exits: number): Term[] {
  return terms.map((term) => ({ ...term, weight: term.weight / exits }));
}

function fitOptions(options: HeadTraining): FitOptions {
  const { samples, alpha, temperature, epochs, ...rest } = options;
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  // Steps and epochs exclude each other.
  return options.steps === undefined
    ? { ...given, ...(epochs !== undefined && { epochs }) }
    : { ...given, epochs: undefined };
}

/** Numbers in the layers of a head. */
export function parametersOf({ hidden, answers }: HeadWeights): number {
  const layers = [...(hidden === undefined ? [] : [hidden]), ...answers.values()];
  return layers.reduce((sum, { weight, bias }) => sum + sizeOf(weight.dims) + sizeOf(bias.dims), 0);
}
