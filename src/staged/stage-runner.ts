import { fail } from '../base/index.ts';
import type { Tensor } from '../graph/index.ts';
import type { Feeds, Fetches, Session } from '../run/index.ts';
import { joinRows, takeRows } from './rows.ts';

/** A tensor that samples bring to a stage. */
export interface Piece {
  readonly tensor: Tensor;
  /** The axis of the samples; none: it belongs to the whole call. */
  readonly axis: number | undefined;
  /** Nobody else holds it, so that its buffer may be given away. */
  readonly own: boolean;
}

/**
 * Runs one stage on however many samples come, also where its model takes a fixed number: then in several calls, the last filled up
 * with copies of its last sample.
 */
export class StageRunner {
  readonly #id: string;
  readonly #session: Session;
  /** Samples that one call must have. */
  readonly #fixed: number | undefined;

  /** `axes`: those of the samples, by input; none where calls are never divided. Throws STAGES_INVALID. */
  constructor(id: string, session: Session, axes: Readonly<Record<string, number>>) {
    this.#id = id;
    this.#session = session;
    const sizes = new Set<number>();
    for (const { name, shape } of session.inputs) {
      const axis = axes[name];
      const size = axis === undefined ? undefined : shape?.[axis];
      if (typeof size === 'number') sizes.add(size);
    }
    if (sizes.size > 1) {
      throw fail('STAGES_INVALID', `stage ${id} wants ${[...sizes].join(' and ')} samples in one call`);
    }
    this.#fixed = [...sizes][0];
  }

  /** The outputs of those names for `samples` samples. Tensors of our own that nobody reads `later` are given away. */
  async run(
    brought: ReadonlyMap<string, Piece>,
    samples: number,
    outputs: readonly string[],
    later: ReadonlySet<string>,
    signal: AbortSignal | undefined,
  ): Promise<Fetches> {
    const inputs = this.#session.inputs.map(({ name }) => name);
    const feeds = (rows?: readonly number[]): Feeds =>
      Object.fromEntries(
        inputs.map((name) => {
          const { tensor, axis } = brought.get(name)!;
          return [name, rows === undefined || axis === undefined ? tensor : takeRows(tensor, rows, axis)];
        }),
      );
    const fixed = this.#fixed;
    if (fixed === undefined || fixed === samples || samples === 0) {
      const transfer = inputs.every((name) => brought.get(name)!.own && !later.has(name));
      return this.#session.run(feeds(), { outputs, signal, transfer });
    }
    const calls: { rows: number[]; answer: Promise<Fetches> }[] = [];
    for (let start = 0; start < samples; start += fixed) {
      const rows = Array.from({ length: fixed }, (_, i) => Math.min(start + i, samples - 1));
      const answer = this.#session.run(feeds(rows), { outputs, signal, transfer: true });
      calls.push({ rows: rows.slice(0, samples - start), answer });
    }
    const answered = await Promise.all(calls.map(({ answer }) => answer));
    return Object.fromEntries(
      outputs.map((name) => {
        const parts = calls.map(({ rows }, i) => ({
          rows,
          tensor: this.#cut(answered[i]![name]!, rows, name),
        }));
        return [name, joinRows(parts, samples, name)];
      }),
    );
  }

  /** The samples that were asked for, without those that filled up. */
  #cut(tensor: Tensor, rows: readonly number[], name: string): Tensor {
    if (tensor.dims[0] !== this.#fixed) {
      throw fail(
        'STAGES_INVALID',
        `output ${name} of stage ${this.#id} is [${tensor.dims}], not ${this.#fixed} samples`,
      );
    }
    return rows.length === this.#fixed
      ? tensor
      : takeRows(
          tensor,
          Int32Array.from(rows, (_, i) => i),
        );
  }
}
