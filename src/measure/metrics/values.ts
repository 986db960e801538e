import { fail } from '../../base/index.ts';
import { sizeOf, type Tensor } from '../../graph/index.ts';
import type { Observed } from './metric.ts';
import type { MetricOptions } from './options.ts';

/** IEEE 754 binary16 bits to a number. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** All elements as numbers. Throws METRIC_UNFIT for strings and packed types. */
export function elementsOf(tensor: Tensor, name: string): ArrayLike<number> {
  switch (tensor.dtype) {
    case 'float32':
    case 'float64':
    case 'int8':
    case 'uint8':
    case 'bool':
    case 'int16':
    case 'uint16':
    case 'int32':
    case 'uint32':
      return tensor.data() as Exclude<ReturnType<Tensor['data']>, BigInt64Array | BigUint64Array>;
    case 'int64':
    case 'uint64':
      return Float64Array.from(tensor.data() as BigInt64Array, Number);
    case 'float16':
      return Float32Array.from(tensor.data() as Uint16Array, halfToNumber);
    case 'bfloat16': {
      const bits = Uint32Array.from(tensor.data() as Uint16Array, (half) => half << 16);
      return new Float32Array(bits.buffer);
    }
    default:
      throw fail('METRIC_UNFIT', `${name} holds ${tensor.dtype}, which is not a number`);
  }
}

/** The name of the output that is looked at. */
export function outputName(outputs: Readonly<Record<string, Tensor>>, options: MetricOptions): string {
  const names = Object.keys(outputs);
  const name = options.output ?? names[0];
  if (name === undefined || outputs[name] === undefined) {
    const have = names.join(', ') || 'none';
    throw fail('METRIC_UNFIT', `there is no output ${name ?? ''}; the model has ${have}`, {
      outputs: names,
      hint: 'Name one of its outputs.',
    });
  }
  return name;
}

/** The output that is looked at; its first axis must be the samples. */
export function outputOf(observed: Observed, options: MetricOptions): { name: string; tensor: Tensor } {
  const name = outputName(observed.outputs, options);
  return { name, tensor: perSample(observed.outputs[name]!, name, observed.samples) };
}

/** The tensor with the samples first; a batch of one may answer without that axis ([], or a state [2, 1, 64]). */
export function perSample(tensor: Tensor, name: string, samples: number): Tensor {
  if (tensor.dims.length > 0 && tensor.dims[0] === samples) return tensor;
  if (samples === 1) return tensor.reshape([1, ...tensor.dims]);
  const why = `output ${name} is [${tensor.dims}], its first axis is not the ${samples} samples`;
  throw fail('METRIC_UNFIT', why, { output: name, dims: tensor.dims, hint: 'Name another output.' });
}

/** Scores with the classes last: [samples, positions, classes] in one row-major array. */
export interface Scores {
  readonly name: string;
  readonly values: ArrayLike<number>;
  readonly samples: number;
  /** Decisions per sample: 1 for a classifier, the tokens for a language model. */
  readonly positions: number;
  readonly classes: number;
}

/**
 * Brings [N, C], [N, C, 1, 1], [N, ..., C] or (axis 1) [N, C, H, W] to classes last; [N] and [N, 1] are one score a sample.
 */
export function scoresOf(observed: Observed, options: MetricOptions): Scores {
  const { name, tensor } = outputOf(observed, options);
  return scoresIn(tensor, name, observed.samples, options);
}

export function scoresIn(tensor: Tensor, name: string, samples: number, options: MetricOptions): Scores {
  const values = elementsOf(tensor, name);
  const dims = [...tensor.dims];
  if (dims.length < 2)
    return { name, values, samples, positions: 1, classes: samples ? values.length / samples : 1 };
  const rank = dims.length;
  let axis = options.axis === undefined ? undefined : options.axis < 0 ? options.axis + rank : options.axis;
  if (axis !== undefined && (axis < 1 || axis >= rank)) {
    throw fail('METRIC_UNFIT', `output ${name} is [${dims}], which has no class axis ${options.axis}`, {
      hint: 'Give an axis after the first.',
    });
  }
  // [N, C, 1, 1] of a network that ends in a pooling: the classes are the last axis that is not 1.
  if (axis === undefined) {
    axis = rank - 1;
    while (axis > 1 && dims[axis] === 1) axis--;
  }
  const classes = dims[axis]!;
  const before = sizeOf(dims.slice(1, axis));
  const after = sizeOf(dims.slice(axis + 1));
  const positions = before * after;
  if (after === 1) return { name, values, samples, positions, classes };
  const turned = new Float64Array(values.length);
  let at = 0;
  for (let outer = 0; outer < samples * before; outer++) {
    for (let inner = 0; inner < after; inner++) {
      for (let c = 0; c < classes; c++) turned[at++] = values[(outer * classes + c) * after + inner]!;
    }
  }
  return { name, values: turned, samples, positions, classes };
}

/** Scores of one decision per sample. */
export function classScoresOf(observed: Observed, options: MetricOptions, metric: string): Scores {
  const scores = scoresOf(observed, options);
  if (scores.positions !== 1) {
    const dims = observed.outputs[scores.name]!.dims;
    throw fail('METRIC_UNFIT', `${metric} wants one decision a sample, output ${scores.name} is [${dims}]`, {
      output: scores.name,
      dims,
      hint: 'Name the output that holds [samples, classes], or choose another metric.',
    });
  }
  return scores;
}

/** The labels, or DATA_NO_LABELS. */
export function labelsTensor(observed: Observed, metric: string): Tensor {
  if (observed.labels === undefined) throw fail('DATA_NO_LABELS', `${metric} compares outputs with labels`);
  return observed.labels;
}

/** Class numbers, one per decision: labels as numbers, or one-hot [.., classes] (the largest counts). */
export function classLabelsOf(observed: Observed, scores: Scores, metric: string): ArrayLike<number> {
  const tensor = labelsTensor(observed, metric);
  const values = elementsOf(tensor, 'labels');
  const decisions = scores.samples * scores.positions;
  const classes = Math.max(2, scores.classes);
  if (values.length === decisions) {
    for (let i = 0; i < decisions; i++) {
      const label = values[i]!;
      if (!Number.isInteger(label) || label >= classes || (label < 0 && label !== IGNORED)) {
        throw fail('METRIC_UNFIT', `label ${label} of sample ${i} is none of the ${classes} classes`, {
          hint: 'Labels are class numbers from 0, or one-hot; check that data and model belong together.',
        });
      }
    }
    return values;
  }
  if (values.length === decisions * scores.classes) {
    return Int32Array.from({ length: decisions }, (_, i) =>
      bestOf(values, i * scores.classes, scores.classes),
    );
  }
  throw fail(
    'METRIC_UNFIT',
    `labels [${tensor.dims}] do not fit ${decisions} decisions of ${scores.classes} classes`,
    {
      hint: 'Labels are class numbers [samples] or one-hot [samples, classes].',
    },
  );
}

/** The label of a position that does not count, as PyTorch's losses have it. */
export const IGNORED = -100;

/** Index of the largest of `count` values from `from` on, the first of equals; -1 where one is NaN. */
export function bestOf(values: ArrayLike<number>, from: number, count: number): number {
  let best = 0;
  for (let i = 0; i < count; i++) {
    const value = values[from + i]!;
    if (Number.isNaN(value)) return -1;
    if (value > values[from + best]!) best = i;
  }
  return best;
}

/** Mean of the first number of the chosen rows, each of `width` numbers. NaN for none. */
export function meanOfRows(
  rows: Float64Array,
  chosen: Uint32Array | undefined,
  width = 1,
  column = 0,
): number {
  let sum = 0;
  const n = chosen?.length ?? rows.length / width;
  for (let i = 0; i < n; i++) sum += rows[(chosen ? chosen[i]! : i) * width + column]!;
  return sum / n;
}
