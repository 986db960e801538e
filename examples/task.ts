import type { Dataset, Field } from '../src/data/index.ts';
import { Tensor } from '../src/graph/index.ts';
import type { MetricName } from '../src/measure/index.ts';

/** One input of the models of a task: a field of its data sets. */
export interface TaskInput {
  readonly name: string;
  readonly dtype: 'float32' | 'int64';
  /** Shape of one sample. */
  readonly dims: readonly number[];
  /**
   * What the numbers are: 'image' [channels, height, width] and 'spectrogram' [1, frames, coefficients] go into
   * convolutions, 'category' [] is a number below `categories`, for an embedding, 'numbers' [k] go in as they are.
   */
  readonly kind: 'image' | 'spectrogram' | 'category' | 'numbers';
  readonly categories?: number;
}

/** One output of the models of a task, what it is held to and how it is judged. */
export interface TaskOutput {
  readonly name: string;
  /** Shape of one sample. */
  readonly dims: readonly number[];
  /** 'labels', or the field that holds what the output should be. */
  readonly target: string;
  /** Cross-entropy takes logits [classes] and a class number, binary cross-entropy one logit and 0 or 1, mse values. */
  readonly loss: 'cross-entropy' | 'binary-cross-entropy' | 'mse';
  /** Share of this loss in the sum. */
  readonly weight: number;
  readonly metric: MetricName;
  /** Names of the classes, where there are any. */
  readonly classes?: readonly string[];
}

/** All that a training script must know of an example, so that one loop trains any of them. */
export interface ExampleTask {
  readonly name: string;
  /** One line for people. */
  readonly summary: string;
  readonly inputs: readonly TaskInput[];
  /** The first is the one whose metric the task is known by. */
  readonly outputs: readonly TaskOutput[];
  /** How many training samples the figures of the README were made with. */
  readonly samples: number;
  /** Training data: the same seed and number give the same samples; other seeds give other samples. */
  train(seed: number, samples?: number): Promise<Dataset>;
  /** To choose by while training. Always the same. */
  validation(): Promise<Dataset>;
  /** To state results on: nothing is chosen by it. Always the same. */
  test(): Promise<Dataset>;
  /** Lists for the first output to rank, labels [N, 2] as `ndcg` takes them. Always the same. */
  rankings?(): Promise<Dataset>;
}

/**
 * The data set as one output is judged on it: its labels are the target of the output. The metrics compare outputs
 * with labels.
 */
export function judgedBy(dataset: Dataset, target: string): Dataset {
  if (target === 'labels') return dataset;
  const field = dataset.fields.find(({ name }) => name === target);
  if (field === undefined) throw new Error(`${dataset.name} has no field ${target}`);
  const others = dataset.fields.filter(({ name }) => name !== target);
  return {
    name: dataset.name,
    size: dataset.size,
    fields: others,
    labels: { dtype: field.dtype, dims: field.dims },
    parts: dataset.parts,
    async *read({ fields, ...options } = {}) {
      const wanted = fields ?? others.map(({ name }: Field) => name);
      for await (const { indices, feeds } of dataset.read({ ...options, fields: [...wanted, target] })) {
        const { [target]: labels, ...rest } = feeds;
        yield { indices, feeds: rest, labels };
      }
    },
  };
}

/** The data set with one field of bytes as float32, times `scale`: models take floats, bytes take a quarter of the memory. */
export function asFloats(dataset: Dataset, name: string, scale: number): Dataset {
  return {
    ...dataset,
    fields: dataset.fields.map((field) =>
      field.name === name ? { ...field, dtype: 'float32' as const } : field,
    ),
    async *read(options) {
      for await (const batch of dataset.read(options)) {
        const field = batch.feeds[name];
        if (field === undefined) yield batch;
        else {
          const floats = Float32Array.from(field.as('uint8'), (value) => value * scale);
          yield { ...batch, feeds: { ...batch.feeds, [name]: Tensor.float32(field.dims, floats) } };
        }
      }
    },
  };
}
