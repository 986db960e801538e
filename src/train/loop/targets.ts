import { fail } from '../../base/index.ts';
import type { Dataset } from '../../data/index.ts';
import { isFloat, sizeOf, Tensor } from '../../graph/index.ts';
import { classAxis } from '../losses/loss.ts';
import type { TargetPort } from '../step/gradient-graph.ts';
import type { Teacher } from './teacher.ts';

/** Feeds the targets of a step: labels, arrays of the data, or what the teacher answers. */
export class Targets {
  readonly #ports: readonly TargetPort[];
  readonly #dataset: Dataset;
  readonly #teacher: Teacher | undefined;
  readonly #fields: readonly string[];

  constructor(ports: readonly TargetPort[], dataset: Dataset, teacher: Teacher | undefined) {
    this.#ports = ports;
    this.#dataset = dataset;
    this.#teacher = teacher;
    this.#fields = ports.flatMap(({ term: { source } }) => (source.from === 'field' ? [source.field] : []));
    for (const port of ports) this.#check(port);
  }

  #check({ term: { source, prediction, loss }, dims }: TargetPort): void {
    const { fields, labels, name } = this.#dataset;
    if (source.from === 'teacher') return;
    const found = source.from === 'labels' ? labels : fields.find((field) => field.name === source.field);
    const what = source.from === 'labels' ? 'labels' : `array "${source.field}"`;
    if (found === undefined) {
      const there = fields.map((field) => field.name).join(', ');
      throw fail('TRAIN_TARGET_MISMATCH', `${name} has no ${what}; its arrays are ${there}`, {
        hint: 'Give data with labels, name the array with --loss output=loss:array, or distil from a teacher.',
      });
    }
    if (sizeOf(found.dims) === sizeOf(dims.slice(1))) return;
    const why = `${loss.name} for ${prediction} takes [${dims.slice(1)}] a sample, and the ${what} of ${name} are [${found.dims}]`;
    throw fail('TRAIN_TARGET_MISMATCH', why);
  }

  /** Every class number of the data must be a class of its output. Throws TRAIN_LABELS_RANGE, DATA_NOT_FINITE. */
  async checkLabels(
    classesOf: (port: TargetPort) => number | undefined,
    signal?: AbortSignal,
  ): Promise<void> {
    const checked = this.#ports.filter(({ term }) => term.source.from !== 'teacher');
    if (checked.length === 0) return;
    for await (const batch of this.#dataset.read({ batch: 1024, fields: this.#fields, signal })) {
      for (const port of checked) {
        const { source, prediction } = port.term;
        const tensor =
          source.from === 'labels' ? batch.labels : batch.feeds[(source as { field: string }).field];
        const classes = classesOf(port);
        const values = tensor!.numbers();
        const bad = values.findIndex((value) =>
          classes === undefined
            ? !Number.isFinite(value)
            : !Number.isInteger(value) || value < 0 || value >= classes,
        );
        if (bad < 0) continue;
        const sample = batch.indices[Math.floor(bad / (values.length / batch.indices.length))];
        if (classes === undefined) {
          throw fail(
            'DATA_NOT_FINITE',
            `sample ${sample} of ${this.#dataset.name} has ${values[bad]} as its target`,
          );
        }
        const why = `sample ${sample} of ${this.#dataset.name} has ${values[bad]}, and ${prediction} has ${classes} classes`;
        throw fail('TRAIN_LABELS_RANGE', why, { sample, label: values[bad], classes });
      }
    }
  }

  /** The targets of some samples, ascending, by the names of the step's inputs. */
  async feeds(
    indices: Uint32Array,
    labels: Tensor | undefined,
    signal?: AbortSignal,
  ): Promise<Record<string, Tensor>> {
    const arrays: Record<string, Tensor> = {};
    if (this.#fields.length > 0) {
      const read = { batch: indices.length, indices, fields: this.#fields, signal };
      for await (const { feeds } of this.#dataset.read(read)) Object.assign(arrays, feeds);
    }
    const found: Record<string, Tensor> = {};
    for (const port of this.#ports) {
      const { source } = port.term;
      found[port.input] =
        source.from === 'teacher'
          ? await this.#teacher!.answer(this.#dataset, indices, source.output, port.dims, signal)
          : converted(source.from === 'labels' ? labels! : arrays[source.field]!, port);
    }
    return found;
  }
}

/** The classes that a term's target may name; undefined where it is no class number. */
export function classesOf(port: TargetPort, prediction: readonly number[]): number | undefined {
  return port.dtype === 'int64' ? prediction[classAxis(port.term.options, prediction.length)] : undefined;
}

function converted(tensor: Tensor, { dtype, dims }: TargetPort): Tensor {
  if (tensor.dtype === dtype) return tensor.reshape(dims);
  const values = tensor.numbers();
  return isFloat(dtype) ? Tensor.float32(dims, values) : Tensor.int64(dims, values);
}
