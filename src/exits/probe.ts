import { fail, type Progress, SILENT, throwIfAborted } from '../base/index.ts';
import type { Dataset } from '../data/index.ts';
import { cloneModel, type Model, namer, removeDead, sizeOf } from '../graph/index.ts';
import { openSession } from '../run/index.ts';
import { judge } from '../staged/index.ts';
import { NormalEquations } from '../transform/index.ts';
import type { Answer } from './answers.ts';
import type { Place } from './places.ts';
import { addPooling, featuresOf, type Pooling, poolingsOf } from './pooling.ts';
import { classLabels, type Recorded, record } from './recorded.ts';

/** What a depth of the model knows already: a linear classifier on its features, fitted in one go. */
export interface Probe {
  readonly place: Place;
  readonly pooling: Pooling;
  readonly features: number;
  /** Share of the validation samples whose class the probe finds: the label, or without labels what the model answers. */
  readonly accuracy: number;
  /** [samples]: 1 where the probe is wrong and the model right. */
  readonly lost: Uint8Array;
  /** [samples]: the best score less the second; the larger, the surer. */
  readonly margin: Float64Array;
}

export interface ProbeOptions {
  /** Features of a place at most, where a grid could make more. Default 256. */
  readonly mostFeatures?: number;
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

/** Times the mean square of the features; keeps directions that few samples fill from deciding. */
const RIDGE = 1e-2;
/** Features of all places that are recorded in one go, in numbers. */
const MOST_NUMBERS = 2e7;

/**
 * Fits a linear probe (ridge regression on one-hot classes; Alain and Bengio 2016) to each place with each pooling that suits
 * it, on training samples, and scores it on validation samples. Of the poolings of a place the better is kept, the plainer
 * of equals. Throws DATA_* where samples do not fit.
 */
export async function probePlaces(
  model: Model,
  places: readonly Place[],
  decision: Answer,
  parts: { readonly training: Dataset; readonly validation: Dataset },
  options: ProbeOptions = {},
): Promise<Probe[]> {
  const { progress = SILENT, signal, mostFeatures } = options;
  const found: Probe[] = [];
  const stage = progress.stage('Probing', places.length);
  const samples = parts.training.size + parts.validation.size;
  try {
    for (const group of groupsOf(places, MOST_NUMBERS / samples, mostFeatures)) {
      const pooled = group.flatMap((place) =>
        poolingsOf(place, mostFeatures).map((pooling) => ({ place, pooling })),
      );
      found.push(...(await probeGroup(model, pooled, decision, parts, signal)));
      stage.advance(group.length);
    }
  } finally {
    stage.end();
  }
  return found;
}

/** Places whose features together stay within so many numbers a sample, at least one place each. */
function groupsOf(places: readonly Place[], most: number, mostFeatures: number | undefined): Place[][] {
  const groups: Place[][] = [];
  let size = Number.POSITIVE_INFINITY;
  for (const place of places) {
    const own = poolingsOf(place, mostFeatures).reduce((sum, pooling) => sum + featuresOf(place, pooling), 0);
    if (size + own > most) {
      groups.push([]);
      size = 0;
    }
    groups.at(-1)!.push(place);
    size += own;
  }
  return groups;
}

async function probeGroup(
  model: Model,
  pooled: readonly { readonly place: Place; readonly pooling: Pooling }[],
  decision: Answer,
  parts: { readonly training: Dataset; readonly validation: Dataset },
  signal: AbortSignal | undefined,
): Promise<Probe[]> {
  const { model: shown, names } = withFeatures(model, pooled, [decision.logits]);
  const session = await openSession(shown);
  let training: Recorded;
  let validation: Recorded;
  try {
    const outputs = [...new Set(names), decision.logits];
    training = await record(session, parts.training, outputs, { signal });
    validation = await record(session, parts.validation, outputs, { signal });
  } finally {
    await session.dispose();
  }
  const classes = Math.max(2, decision.size);
  const targets = await targetsOf(parts.training, training, decision, signal);
  const truth = await targetsOf(parts.validation, validation, decision, signal);
  const answeredAs = answered(validation, decision);
  const best = new Map<Place, Probe>();
  for (const [i, { place, pooling }] of pooled.entries()) {
    throwIfAborted(signal);
    const features = training.widths.get(names[i]!)!;
    const scores = fitted(
      training.values.get(names[i]!)!,
      targets,
      features,
      classes,
    )(validation.values.get(names[i]!)!);
    const probe = { place, pooling, features, ...scored(scores, classes, truth, answeredAs) };
    const before = best.get(place);
    if (before === undefined || probe.accuracy > before.accuracy) best.set(place, probe);
  }
  return [...best.values()];
}

/** The model with pooled features, and values besides, as its only outputs. `names` go with the poolings. */
export function withFeatures(
  model: Model,
  pooled: readonly { readonly place: Place; readonly pooling: Pooling }[],
  values: readonly string[],
): { readonly model: Model; readonly names: readonly string[] } {
  const copy = cloneModel(model);
  const { graph } = copy;
  const name = namer(graph);
  const names = pooled.map(({ place, pooling }) => addPooling(copy, place, pooling, 'pooled', name));
  // Of unknown shape on purpose: what was declared of the outputs does not hold for these.
  graph.outputs = [...new Set([...names, ...values])].map((output) => ({
    name: output,
    type: { kind: 'tensor', dtype: 'float32', shape: undefined },
  }));
  removeDead(graph);
  return { model: copy, names };
}

/** The classes that a probe is to find. */
async function targetsOf(
  data: Dataset,
  recorded: Recorded,
  decision: Answer,
  signal: AbortSignal | undefined,
): Promise<Int32Array> {
  return (await classLabels(data, decision.size, signal)) ?? answered(recorded, decision);
}

function answered(recorded: Recorded, { logits, size }: Answer): Int32Array {
  const plain = { scale: 'logits', temperature: 1, confidence: 'margin' } as const;
  return judge(recorded.values.get(logits)!, size, plain).best;
}

/** A linear map of standardized features to one number a class, least squares on one-hot targets. */
function fitted(
  features: Float32Array,
  targets: Int32Array,
  width: number,
  classes: number,
): (features: Float32Array) => Float64Array {
  const n = targets.length;
  const { mean, scale } = standardOf(features, width);
  const equations = new NormalEquations(width + 1, classes);
  const x = (from: Float32Array, i: number) => (j: number) =>
    j === width ? 1 : (from[i * width + j]! - mean[j]!) * scale[j]!;
  for (let i = 0; i < n; i++) equations.add(x(features, i), (c) => (targets[i] === c ? 1 : 0));
  const weights = equations.solve(new Float64Array(classes * (width + 1)), RIDGE);
  return (given) => {
    const samples = given.length / width;
    const scores = new Float64Array(samples * classes);
    for (let i = 0; i < samples; i++) {
      const at = x(given, i);
      for (let j = 0; j <= width; j++) {
        const value = at(j);
        for (let c = 0; c < classes; c++) scores[i * classes + c]! += value * weights[c * (width + 1) + j]!;
      }
    }
    return scores;
  };
}

/** Mean of each feature, and 1 / its deviation (0 for one that never changes). */
export function standardOf(
  features: Float32Array,
  width: number,
): { readonly mean: Float64Array; readonly scale: Float64Array } {
  const n = features.length / width;
  const mean = new Float64Array(width);
  const scale = new Float64Array(width);
  for (let i = 0; i < features.length; i++) mean[i % width]! += features[i]! / n;
  for (let i = 0; i < features.length; i++) scale[i % width]! += (features[i]! - mean[i % width]!) ** 2 / n;
  for (let j = 0; j < width; j++) {
    // Rounding alone is no deviation.
    const least = (1e-6 * Math.abs(mean[j]!)) ** 2 + Number.MIN_VALUE;
    scale[j] = scale[j]! > least ? 1 / Math.sqrt(scale[j]!) : 0;
  }
  if (!scale.every(Number.isFinite) || !mean.every(Number.isFinite)) {
    throw fail('DATA_NOT_FINITE', 'an inner value of the model is not finite for some sample');
  }
  return { mean, scale };
}

function scored(
  scores: Float64Array,
  classes: number,
  truth: Int32Array,
  model: Int32Array,
): Pick<Probe, 'accuracy' | 'lost' | 'margin'> {
  const n = truth.length;
  const lost = new Uint8Array(n);
  const margin = new Float64Array(n);
  let right = 0;
  for (let i = 0; i < n; i++) {
    let [first, second, best] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY, 0];
    for (let c = 0; c < classes; c++) {
      const score = scores[i * classes + c]!;
      if (score > first) [second, first, best] = [first, score, c];
      else if (score > second) second = score;
    }
    margin[i] = first - second;
    if (best === truth[i]) right++;
    else if (model[i] === truth[i]) lost[i] = 1;
  }
  return { accuracy: right / Math.max(1, n), lost, margin };
}

/** Numbers of a sample that a head reads, and the multiply-accumulates of a linear head on them. */
export function linearMacs(features: number, answers: readonly Answer[]): number {
  return answers.reduce((sum, { dims }) => sum + features * sizeOf(dims), 0);
}
