import { fail } from '../../base/index.ts';
import { inMemory } from '../../data/index.ts';
import { cloneModel, type Model, readsOf, removeDead, Tensor, tensorType } from '../../graph/index.ts';
import { openSession } from '../../run/index.ts';
import { fit, LOSSES, prepareForTraining } from '../../train/index.ts';
import { cutDecoder, type ExitMap, HIDDEN, MAP_BIAS, MAP_WEIGHT } from './cut.ts';
import { type FitMapsOptions, fitExitMaps } from './fit-maps.ts';
import { readStates } from './states.ts';

export interface TrainMapsOptions extends FitMapsOptions {
  /** Times that every token is seen. Default 10. */
  readonly epochs?: number;
  /** Learning rate of AdamW. Default 2e-3. */
  readonly rate?: number;
  /** Default 0. */
  readonly seed?: number;
}

const FEATURES = 'features';
const TEACHER = 'teacher';
const BATCH = 256;

/**
 * Maps for exits that learn what the whole model says next (tuned lens: Belrose et al. 2023): from those of `fitExitMaps` on, the
 * divergence of the exit's distribution from the model's is made small over all tokens of the texts. Norm and classifier stay as
 * they are. The model must be in float. Throws as `fitExitMaps` does, and TRAIN_*.
 */
export async function trainExitMaps(
  model: Model,
  texts: readonly (readonly number[])[],
  options: TrainMapsOptions,
): Promise<ExitMap[]> {
  const { exits, settings = { threads: 1 }, signal } = options;
  const maps = await fitExitMaps(model, texts, options);
  const { stages, dim } = await cutDecoder(model, { exits, maps });
  const states = await collect(stages, texts, dim, { settings, signal });
  const count = states[0]!.length / dim;
  const teacher = await answers(headOf(stages.at(-1)!, dim), states.at(-1)!, dim, settings);
  const trained: ExitMap[] = [];
  for (const [i, piece] of stages.slice(0, -1).entries()) {
    const features = Tensor.float32([count, 1, dim], states[i]!);
    const prepared = await prepareForTraining(headOf(piece, dim), { progress: options.progress, signal });
    const term = {
      loss: LOSSES.kl,
      prediction: 'logits',
      source: { from: 'field', field: TEACHER },
      options: { axis: 2 },
      weight: 1,
    } as const;
    const data = inMemory({ [FEATURES]: features, [TEACHER]: teacher }, undefined, { name: 'hidden states' });
    const { model: learned } = await fit(prepared, [term], data, undefined, {
      only: [`^${MAP_WEIGHT}$`, `^${MAP_BIAS}$`],
      epochs: options.epochs ?? 10,
      batch: Math.min(BATCH, count),
      optimizer: 'adamw',
      rate: options.rate ?? 2e-3,
      seed: options.seed ?? 0,
      settings: { threads: settings.threads },
      progress: options.progress,
      signal,
    });
    trained.push(mapIn(learned, dim));
  }
  return trained;
}

/** States of all tokens, piece by piece: [tokens, dim] each. */
async function collect(
  stages: readonly Model[],
  texts: readonly (readonly number[])[],
  dim: number,
  options: Parameters<typeof readStates>[3],
): Promise<Float32Array[]> {
  const tokens = texts.reduce((sum, text) => sum + text.length, 0);
  const all = stages.map(() => new Float32Array(tokens * dim));
  let at = 0;
  for await (const states of readStates(stages, texts, dim, options)) {
    for (const [i, rows] of states.entries()) all[i]!.set(rows, at);
    at += states[0]!.length;
  }
  return all;
}

/** What stands between a hidden state and the logits of a piece, as a model of its own: features [rows, 1, dim] to logits. */
function headOf(piece: Model, dim: number): Model {
  const result = cloneModel(piece);
  const { graph } = result;
  const end = graph.nodes.find((node) => node.outputs.includes(HIDDEN))?.inputs[0];
  if (end === undefined) throw fail('INTERNAL', 'a piece of a decoder gives no hidden state');
  for (const node of graph.nodes) {
    for (const [i, name] of node.inputs.entries()) if (name === end) node.inputs[i] = FEATURES;
  }
  const vocabulary = graph.outputs.find(({ name }) => name === 'logits')!.type;
  const width = vocabulary.kind === 'tensor' ? (vocabulary.shape?.at(-1) ?? null) : null;
  graph.outputs = [{ name: 'logits', type: tensorType('float32', ['rows', 1, width]) }];
  graph.inputs.push({ name: FEATURES, type: tensorType('float32', ['rows', 1, dim]) });
  removeDead(graph);
  const read = new Set(graph.nodes.flatMap((node) => [...readsOf(node)]));
  graph.inputs = graph.inputs.filter(({ name }) => read.has(name));
  return result;
}

/** Rows that are answered at once. */
const TOGETHER = 1024;

async function answers(
  head: Model,
  states: Float32Array,
  dim: number,
  settings: Parameters<typeof openSession>[1],
): Promise<Tensor> {
  const session = await openSession(head, settings);
  try {
    const count = states.length / dim;
    let all: Float32Array | undefined;
    let width = 0;
    for (let from = 0; from < count; from += TOGETHER) {
      const rows = Math.min(TOGETHER, count - from);
      const part = states.slice(from * dim, (from + rows) * dim);
      const { logits } = await session.run({ [FEATURES]: Tensor.float32([rows, 1, dim], part) });
      width = logits!.dims[2]!;
      all ??= new Float32Array(count * width);
      all.set(logits!.as('float32'), from * width);
    }
    return Tensor.float32([count, 1, width], all!);
  } finally {
    await session.dispose();
  }
}

/** The map in a head, as cutDecoder writes it: turned. */
function mapIn({ graph }: Model, dim: number): ExitMap {
  const from = graph.initializers.get(MAP_WEIGHT)!.as('float32');
  const weight = new Float32Array(dim * dim);
  for (let row = 0; row < dim; row++) {
    for (let column = 0; column < dim; column++) weight[row * dim + column] = from[column * dim + row]!;
  }
  return { weight, bias: graph.initializers.get(MAP_BIAS)!.as('float32').slice() };
}
