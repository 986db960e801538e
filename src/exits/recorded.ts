import { fail, type Progress, SILENT } from '../base/index.ts';
import { bind, type Dataset, planBatch } from '../data/index.ts';
import { sizeOf, Tensor } from '../graph/index.ts';
import type { Session } from '../run/index.ts';

/** Values of some outputs for every sample of a dataset, by name of the output: [samples, numbers of a sample], row-major. */
export interface Recorded {
  readonly samples: number;
  readonly values: ReadonlyMap<string, Float32Array>;
  /** Numbers of a sample. */
  readonly widths: ReadonlyMap<string, number>;
}

export interface RecordOptions {
  /** Samples per run, where the model allows it. Default 64. */
  readonly batch?: number;
  /** What is done, for the progress. */
  readonly label?: string;
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

/**
 * Runs a dataset through a session and keeps the float32 outputs that are named, all samples in order. Throws DATA_TOO_FEW where a
 * fixed batch leaves samples out, EXITS_UNFIT where an output has no sample axis, and what the session throws.
 */
export async function record(
  session: Session,
  data: Dataset,
  outputs: readonly string[],
  options: RecordOptions = {},
): Promise<Recorded> {
  const { progress = SILENT, signal, label = 'Recording', batch = 64 } = options;
  const plan = planBatch(data, session.inputs, batch);
  if (plan.dropped > 0) {
    throw fail(
      'DATA_TOO_FEW',
      `${data.name}: the model takes ${plan.batch} samples at once, ${plan.dropped} are left over`,
    );
  }
  const values = new Map<string, Float32Array>();
  const widths = new Map<string, number>();
  const stage = progress.stage(label, data.size);
  let at = 0;
  try {
    for await (const { indices, feeds } of bind(data, session.inputs, { batch: plan.batch, signal })) {
      const fetched = await session.run(feeds, { outputs, signal });
      for (const name of outputs) keep(name, fetched[name]!, indices.length, at);
      at += indices.length;
      stage.advance(indices.length);
    }
  } finally {
    stage.end();
  }
  return { samples: at, values, widths };

  function keep(name: string, tensor: Tensor, samples: number, from: number): void {
    const width = tensor.size / samples;
    if (!Number.isInteger(width) || (tensor.dims[0] !== samples && samples !== 1)) {
      throw fail('EXITS_UNFIT', `"${name}" is [${tensor.dims}] for ${samples} samples`);
    }
    let kept = values.get(name);
    if (kept === undefined) {
      kept = new Float32Array(width * data.size);
      values.set(name, kept);
      widths.set(name, width);
    }
    kept.set(tensor.as('float32'), from * width);
  }
}

/** The rows of some samples of recorded values. */
export function rowsOf(values: Float32Array, width: number, samples: readonly number[]): Float32Array {
  const rows = new Float32Array(samples.length * width);
  for (const [at, i] of samples.entries()) rows.set(values.subarray(i * width, (i + 1) * width), at * width);
  return rows;
}

/** Class numbers of all samples, or undefined where the labels are no such. Reads the labels alone. */
export async function classLabels(
  data: Dataset,
  classes: number,
  signal?: AbortSignal,
): Promise<Int32Array | undefined> {
  const { labels } = data;
  if (labels === undefined || sizeOf(labels.dims) !== 1) return undefined;
  const found = new Int32Array(data.size);
  let at = 0;
  for await (const batch of data.read({ batch: 1024, fields: [], signal })) {
    for (const value of (batch.labels ?? Tensor.float32([0], [])).numbers()) {
      if (!Number.isInteger(value)) return undefined;
      if (value < 0 || value >= Math.max(2, classes)) {
        const why = `sample ${at} of ${data.name} is of class ${value}, the output tells ${Math.max(2, classes)} apart`;
        throw fail('TRAIN_LABELS_RANGE', why);
      }
      found[at++] = value;
    }
  }
  return found;
}
