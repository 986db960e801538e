import { throwIfAborted } from '../base/index.ts';
import { bind, type Dataset, planBatch } from '../data/index.ts';
import { cloneModel, type Model, removeDead, type Tensor } from '../graph/index.ts';
import { type Feeds, type OrtSession, openSession, type SessionSettings } from '../run/index.ts';
import type { StagedModel } from '../staged/index.ts';

export interface TimeOptions {
  /** Samples in a call. */
  readonly batch: number;
  readonly settings?: Partial<SessionSettings>;
  readonly signal?: AbortSignal;
}

/** Calls of one and of the other that are timed in turns, and how often. */
const CALLS = 12;
const TURNS = 5;

/**
 * Time of a model up to each of some values as a share of the time up to its outputs (`outputs`): each cut off there and timed in turns
 * with the whole, in the worker. Work in multiply-accumulates says little of it: early layers hold large pictures, and each operator
 * costs something whatever it does. Throws what opening and running throw.
 */
export async function shareOfTime(
  model: Model,
  outputs: readonly string[],
  values: readonly string[],
  data: Dataset,
  options: TimeOptions,
): Promise<number[]> {
  const whole = await openSession(endingAt(model, outputs), options.settings);
  const shares: number[] = [];
  try {
    const feeds = await firstBatch(whole, data, options.batch);
    for (const value of values) {
      throwIfAborted(options.signal);
      const part = await openSession(endingAt(model, [value]), options.settings);
      try {
        const own = Object.fromEntries(part.inputs.map(({ name }) => [name, feeds[name]!]));
        shares.push(await ratio(part, own, whole, feeds));
      } finally {
        await part.dispose();
      }
    }
  } finally {
    await whole.dispose();
  }
  return shares;
}

/** Seconds a sample of each stage, on the first samples of a dataset. */
export async function secondsOfStages(
  { stages, inputs }: StagedModel,
  data: Dataset,
  options: TimeOptions,
): Promise<number[]> {
  const seconds: number[] = [];
  const { batch } = planBatch(data, inputs, Math.min(options.batch, data.size));
  for await (const { feeds, indices } of bind(data, inputs, { batch, signal: options.signal })) {
    const known: Record<string, Tensor> = { ...feeds };
    for (const { model, carried } of stages) {
      const session = await openSession(model, options.settings);
      try {
        const own = Object.fromEntries(session.inputs.map(({ name }) => [name, known[name]!]));
        const fetched = await session.run(own);
        for (const name of carried) known[name] = fetched[name]!;
        const times: number[] = [];
        for (let turn = 0; turn < TURNS; turn++) times.push(await median(session, own));
        seconds.push(Math.min(...times) / 1000 / indices.length);
      } finally {
        await session.dispose();
      }
    }
    break;
  }
  return seconds;
}

function endingAt(model: Model, values: readonly string[]): Model {
  const copy = cloneModel(model);
  const { graph } = copy;
  graph.outputs = values.map(
    (name) =>
      model.graph.outputs.find((output) => output.name === name) ?? {
        name,
        type: { kind: 'tensor', dtype: 'float32', shape: undefined },
      },
  );
  removeDead(graph);
  const read = new Set(graph.nodes.flatMap(({ inputs }) => inputs));
  graph.inputs = graph.inputs.filter(({ name }) => read.has(name));
  return copy;
}

async function firstBatch(session: OrtSession, data: Dataset, wanted: number): Promise<Feeds> {
  const { batch } = planBatch(data, session.inputs, Math.min(wanted, data.size));
  for await (const { feeds } of bind(data, session.inputs, { batch })) return feeds;
  return {};
}

/** Of the turns the one least disturbed by others: the median of the ratios. */
async function ratio(part: OrtSession, own: Feeds, whole: OrtSession, all: Feeds): Promise<number> {
  const ratios: number[] = [];
  for (let turn = 0; turn <= TURNS; turn++) {
    const found = (await median(part, own)) / (await median(whole, all));
    // The first warms up.
    if (turn > 0) ratios.push(found);
  }
  return ratios.sort((a, b) => a - b)[TURNS >> 1]!;
}

async function median(session: OrtSession, feeds: Feeds): Promise<number> {
  const { latencies } = await session.loop([feeds], { runs: CALLS });
  return latencies.toSorted()[CALLS >> 1]!;
}
