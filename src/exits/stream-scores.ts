import { fail, type Progress, SILENT } from '../base/index.ts';
import { bind, type Dataset } from '../data/index.ts';
import { byteLengthOf, sizeOf, Tensor } from '../graph/index.ts';
import type { Feeds, Session, StatefulSession } from '../run/index.ts';

/** What a model says after each step of each stream, row-major [steps, samples, classes]. */
export interface StreamScores {
  readonly samples: number;
  readonly steps: number;
  readonly classes: number;
  readonly scores: readonly Float32Array[];
}

export interface StreamOptions {
  /** Output with the scores. Default: the first. */
  readonly output?: string;
  /** The input that is heard bit by bit. Default: the only one. */
  readonly input?: string;
  /** Axis of time in that input; the samples are axis 0. */
  readonly axis: number;
  /** What the other inputs are given at every step, of models that keep a state: the sampling rate, say. */
  readonly also?: Feeds;
  /** Frames that are heard in one step. */
  readonly hop: number;
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

export interface WindowOptions extends StreamOptions {
  /** What stands where nothing has been heard: a number, or one frame (its elements in the order of the input without time). */
  readonly fill?: number | ArrayLike<number>;
  /**
   * 'prefix': the beginning stays where it is and the rest is filled. 'sliding': the latest frame stands last, and what lies before the
   * beginning is filled. Default 'prefix'.
   */
  readonly as?: 'prefix' | 'sliding';
  /** Samples a call. Default 64. */
  readonly batch?: number;
}

/**
 * The input as it is after some frames: the rest is silence. Throws STAGES_INVALID for dtypes without numbers of whole bytes, and where
 * the frame of silence has another size.
 */
export function heard(
  tensor: Tensor,
  frames: number,
  { axis, fill = 0, as = 'prefix' }: WindowOptions,
): Tensor {
  const { dims, dtype } = tensor;
  const length = dims[axis]!;
  const outer = sizeOf(dims.slice(0, axis));
  const inner = sizeOf(dims.slice(axis + 1));
  const perSample = outer / Math.max(1, dims[0]!);
  if (dtype === 'string' || byteLengthOf(dtype, 1) !== byteLengthOf(dtype, 2) / 2) {
    throw fail('STAGES_INVALID', `an input of ${dtype} cannot be heard bit by bit`);
  }
  if (typeof fill !== 'number' && fill.length !== perSample * inner) {
    throw fail(
      'STAGES_INVALID',
      `one frame of the input has ${perSample * inner} numbers, not ${fill.length}`,
    );
  }
  const from = tensor.data();
  const to = from.slice();
  const silence = (o: number, i: number) =>
    typeof fill === 'number' ? fill : fill[(o % perSample) * inner + i]!;
  const wide = to instanceof BigInt64Array || to instanceof BigUint64Array;
  const missing = Math.max(0, length - frames);
  for (let o = 0; o < outer; o++) {
    for (let t = 0; t < length; t++) {
      const at = (o * length + t) * inner;
      const source = as === 'prefix' ? (t < frames ? t : -1) : t - missing;
      for (let i = 0; i < inner; i++) {
        if (source >= 0) to[at + i] = from[(o * length + source) * inner + i]!;
        else to[at + i] = wide ? BigInt(silence(o, i)) : silence(o, i);
      }
    }
  }
  return Tensor.of(dtype, dims, to);
}

/**
 * Runs a classifier of whole windows after every `hop` frames of every sample, what is not heard yet being silence. Throws
 * STAGES_INVALID, DATA_*, and what the session throws.
 */
export async function windowScores(
  session: Session,
  data: Dataset,
  options: WindowOptions,
): Promise<StreamScores> {
  const { progress = SILENT, signal, hop, axis } = options;
  const input = inputOf(session, options);
  const output = outputOf(session, options);
  const stage = progress.stage('Listening bit by bit', data.size);
  const rows: number[][] = [];
  let classes = 0;
  let samples = 0;
  try {
    for await (const { feeds, indices } of bind(data, session.inputs, {
      batch: options.batch ?? 64,
      signal,
    })) {
      const whole = feeds[input]!;
      const steps = stepsOf(whole, axis, hop);
      for (let step = 0; step < steps; step++) {
        const part = heard(whole, (step + 1) * hop, options);
        const found = (await session.run({ ...feeds, [input]: part }, { outputs: [output], signal }))[
          output
        ]!;
        classes = found.size / indices.length;
        rows[step] ??= [];
        for (const value of found.as('float32')) rows[step]!.push(value);
      }
      samples += indices.length;
      stage.advance(indices.length);
    }
  } finally {
    stage.end();
  }
  return { samples, steps: rows.length, classes, scores: rows.map((row) => Float32Array.from(row)) };
}

/**
 * Runs a model that keeps its state over every sample, `hop` frames a step, each sample as a stream of its own. A rest of less than a
 * step is not heard. Throws STAGES_INVALID, DATA_*, and what the session throws.
 */
export async function statefulScores(
  session: StatefulSession,
  data: Dataset,
  options: StreamOptions,
): Promise<StreamScores> {
  const { progress = SILENT, signal, hop, axis } = options;
  const input = inputOf(session, options);
  const output = outputOf(session, options);
  const field = data.fields.find(({ name }) => name === input) ?? data.fields[0];
  if (field === undefined)
    throw fail('DATA_NAMES_MISMATCH', `${data.name} has nothing to feed ${input} with`);
  const stage = progress.stage('Listening bit by bit', data.size);
  const rows: number[][] = [];
  let classes = 0;
  try {
    for await (const { feeds } of data.read({ batch: 1, fields: [field.name], signal })) {
      await session.restart();
      const whole = feeds[field.name]!;
      for (let step = 0; step < stepsOf(whole, axis, hop); step++) {
        const part: Feeds = { ...options.also, [input]: frames(whole, axis, step * hop, hop) };
        const found = (await session.step(part))[output]!;
        classes = found.size;
        rows[step] ??= [];
        for (const value of found.as('float32')) rows[step]!.push(value);
      }
      stage.advance(1);
    }
  } finally {
    stage.end();
  }
  return {
    samples: data.size,
    steps: rows.length,
    classes,
    scores: rows.map((row) => Float32Array.from(row)),
  };
}

/** Some frames of a tensor. */
export function frames(tensor: Tensor, axis: number, start: number, count: number): Tensor {
  const { dims, dtype } = tensor;
  const outer = sizeOf(dims.slice(0, axis));
  const inner = sizeOf(dims.slice(axis + 1));
  const from = tensor.data();
  const to = from.slice(0, outer * count * inner);
  for (let o = 0; o < outer; o++) {
    const begin = (o * dims[axis]! + start) * inner;
    for (let k = 0; k < count * inner; k++) to[o * count * inner + k] = from[begin + k]!;
  }
  return Tensor.of(dtype as 'float32', dims.with(axis, count), to);
}

function stepsOf({ dims }: Tensor, axis: number, hop: number): number {
  const length = dims[axis];
  if (length === undefined || axis < 1 || !Number.isInteger(hop) || hop < 1 || hop > length) {
    throw fail('USAGE_BAD_OPTION', `[${dims}] has no steps of ${hop} frames along axis ${axis}`);
  }
  return Math.floor(length / hop);
}

function inputOf({ inputs }: Pick<Session, 'inputs'>, { input, also = {} }: StreamOptions): string {
  const left = inputs.filter(({ name }) => also[name] === undefined);
  const found = input ?? (left.length === 1 ? left[0]!.name : undefined);
  if (found !== undefined && inputs.some(({ name }) => name === found)) return found;
  throw fail(
    'USAGE_BAD_OPTION',
    `which of the inputs ${inputs.map(({ name }) => name)} is heard is not clear`,
  );
}

function outputOf({ outputs }: Pick<Session, 'outputs'>, { output }: StreamOptions): string {
  const found = output ?? outputs[0]!.name;
  if (outputs.some(({ name }) => name === found)) return found;
  throw fail('USAGE_BAD_OPTION', `there is no output ${found}; there are ${outputs.map(({ name }) => name)}`);
}
