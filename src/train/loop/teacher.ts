import { fail } from '../../base/index.ts';
import { bind, type Dataset, planBatch } from '../../data/index.ts';
import { sizeOf, Tensor } from '../../graph/index.ts';
import type { Session } from '../../run/index.ts';

/** How a teacher's output becomes scores: as it is, or through the inverse of the softmax or sigmoid at its end. */
export type Unmake = 'none' | 'log' | 'logit';

/** What a teacher answered for every sample of a dataset; may be handed from one run to the next with the same teacher. */
export class Answers {
  /** Of one output, made into scores in one way. */
  readonly outputs = new Map<string, { readonly values: Float32Array; readonly width: number }>();
  /** All of whose samples are answered. */
  dataset: Dataset | undefined;

  has(dataset: Dataset, keys: readonly string[]): boolean {
    return this.dataset === dataset && keys.every((key) => this.outputs.has(key));
  }
}

/** What a teacher answers for each sample: run once over the data where that fits into memory, else batch by batch. */
export class Teacher {
  readonly #session: Session;
  readonly #unmake: ReadonlyMap<string, Unmake>;
  readonly #answers: Answers;

  /** `outputs`: the outputs that are learned from, and how each becomes scores. `answers`: of an earlier run. */
  constructor(session: Session, outputs: ReadonlyMap<string, Unmake>, answers = new Answers()) {
    this.#session = session;
    this.#unmake = outputs;
    this.#answers = answers;
    for (const name of outputs.keys()) {
      const port = session.outputs.find((output) => output.name === name);
      if (port === undefined) {
        const there = session.outputs.map((output) => output.name).join(', ');
        throw fail('TRAIN_TARGET_MISMATCH', `the teacher has no output "${name}"; it has ${there}`);
      }
      if (port.dtype !== 'float32') {
        throw fail('TRAIN_TARGET_MISMATCH', `output "${name}" of the teacher is ${port.dtype}, not float32`);
      }
    }
  }

  /**
   * Answers the whole dataset once and keeps the answers, at most `most` bytes of them; with more nothing is kept. Returns
   * whether they are kept.
   */
  async remember(
    dataset: Dataset,
    most: number,
    advance: (samples: number) => void,
    signal?: AbortSignal,
  ): Promise<boolean> {
    const keys = [...this.#unmake.keys()].map((name) => this.#keyOf(name));
    if (this.#answers.has(dataset, keys)) return true;
    this.#answers.dataset = undefined;
    this.#answers.outputs.clear();
    let filled = 0;
    const { batch } = planBatch(dataset, this.#session.inputs, 64);
    for await (const { indices, feeds } of bind(dataset, this.#session.inputs, { batch, signal })) {
      const fetched = await this.#session.run(feeds, { outputs: [...this.#unmake.keys()], signal });
      for (const [name, unmake] of this.#unmake) {
        const tensor = fetched[name]!;
        const width = tensor.size / indices.length;
        let kept = this.#answers.outputs.get(this.#keyOf(name));
        if (kept === undefined) {
          if (width * dataset.size * 4 * this.#unmake.size > most) return false;
          kept = { values: new Float32Array(width * dataset.size), width };
          this.#answers.outputs.set(this.#keyOf(name), kept);
        }
        kept.values.set(scoresOf(tensor, unmake), filled * width);
      }
      filled += indices.length;
      advance(indices.length);
    }
    if (filled < dataset.size) return false;
    this.#answers.dataset = dataset;
    return true;
  }

  #keyOf(output: string): string {
    return `${this.#unmake.get(output)}:${output}`;
  }

  /** The scores of an output for some samples, ascending: [samples, ...dims] as the target wants them. */
  async answer(
    dataset: Dataset,
    indices: Uint32Array,
    output: string,
    dims: readonly number[],
    signal?: AbortSignal,
  ): Promise<Tensor> {
    const wanted = sizeOf(dims);
    const values = new Float32Array(wanted);
    const width = wanted / indices.length;
    const key = this.#keyOf(output);
    const kept = this.#answers.has(dataset, [key]) ? this.#answers.outputs.get(key) : undefined;
    if (kept !== undefined) {
      this.#check(output, kept.width, width, dims);
      for (const [at, index] of indices.entries()) {
        values.set(kept.values.subarray(index * width, (index + 1) * width), at * width);
      }
      return Tensor.float32(dims, values);
    }
    let at = 0;
    for await (const batch of bind(dataset, this.#session.inputs, {
      batch: indices.length,
      indices,
      signal,
    })) {
      const tensor = (await this.#session.run(batch.feeds, { outputs: [output], signal }))[output]!;
      this.#check(output, tensor.size / batch.indices.length, width, dims);
      values.set(scoresOf(tensor, this.#unmake.get(output)!), at);
      at += tensor.size;
    }
    return Tensor.float32(dims, values);
  }

  #check(output: string, width: number, wanted: number, dims: readonly number[]): void {
    if (width === wanted) return;
    const why = `output "${output}" of the teacher has ${width} numbers a sample, the student's ${wanted} ([${dims}])`;
    throw fail('TRAIN_TARGET_MISMATCH', why, { output });
  }
}

/** The scores behind an output, up to a constant that a softmax takes away; bounded, since a rounded probability may be 0 or 1. */
export function scoresOf(tensor: Tensor, unmake: Unmake): Float32Array {
  const values = tensor.as('float32');
  if (unmake === 'none') return values;
  if (unmake === 'log') return values.map((p) => Math.log(Math.max(p, LEAST)));
  return values.map((p) => {
    const within = Math.min(Math.max(p, NEAREST), 1 - NEAREST);
    return Math.log(within / (1 - within));
  });
}

/** A float32 softmax gives this small a probability still exactly. */
const LEAST = 1e-30;
/** What a float32 can tell from 1. */
const NEAREST = 1e-7;
