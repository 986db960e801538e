import { fail } from '../base/index.ts';
import { Tensor } from '../graph/index.ts';
import {
  checkFeeds,
  checkOutputs,
  type Feeds,
  type Fetches,
  type Port,
  type RunOptions,
  type Session,
} from '../run/index.ts';
import { type BatchAxes, batchAxes } from './batch-axes.ts';
import { checkStages } from './check-stages.ts';
import type { OpenStage } from './open-stage.ts';
import { joinRows, type Part, packRows, takeRows } from './rows.ts';
import { confidencesOf } from './scores.ts';
import { type Piece, StageRunner } from './stage-runner.ts';

/** The output that says at which stage each sample left, int32 [samples], counted from 0. Absent where the model has one of that name. */
export const EXIT_OUTPUT = 'modicum_exit';

export interface StagedOptions {
  /** Of the whole model. */
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /** The axis of the samples of an input, where the shapes do not tell; null: it belongs to the whole call. */
  readonly batchAxis?: Readonly<Record<string, number | null>>;
  readonly metadata?: ReadonlyMap<string, string>;
}

/** A session of stages. Counts where samples leave. */
export interface StagedSession extends Session {
  /** Ids of the stages. */
  readonly stages: readonly string[];
  /** Samples that each stage has answered since the session was opened. */
  readonly left: readonly number[];
}

/**
 * A session over the sessions of stages, which it owns from now on. A call runs the first stage on all samples; those that are sure
 * enough leave with its answers, the others are packed together and go on. Answers come in the order of the samples, with the stage
 * of each as `EXIT_OUTPUT`. A sample whose scores are NaN goes on. Throws STAGES_INVALID, USAGE_BAD_OPTION.
 */
export function stagedSession(stages: readonly OpenStage[], options: StagedOptions): StagedSession {
  checkStages(stages, options);
  return new Staged(stages, options, batchAxes(options.inputs, options.batchAxis));
}

/** The outputs with where samples left, unless the model has one of that name. */
export function withExit({ inputs, outputs, batchAxis }: StagedOptions): {
  readonly outputs: readonly Port[];
  readonly marked: boolean;
} {
  if (outputs.some(({ name }) => name === EXIT_OUTPUT)) return { outputs, marked: false };
  const shape = [batchAxes(inputs, batchAxis).fixed ?? null];
  return { outputs: [...outputs, { name: EXIT_OUTPUT, dtype: 'int32', shape }], marked: true };
}

/** What the samples that are still under way have with them: inputs, and what stages carried, by name. */
type Luggage = Map<string, Piece>;

class Staged implements StagedSession {
  readonly stages: readonly string[];
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly metadata: ReadonlyMap<string, string>;
  readonly left: number[];
  readonly #stages: readonly OpenStage[];
  readonly #axes: BatchAxes;
  readonly #runners: readonly StageRunner[];
  /** What is read at a stage or later. */
  readonly #needed: readonly ReadonlySet<string>[];
  readonly #marked: boolean;
  #closed: Promise<void> | undefined;

  constructor(stages: readonly OpenStage[], options: StagedOptions, axes: BatchAxes) {
    this.stages = stages.map(({ id }) => id);
    this.#stages = stages;
    this.inputs = options.inputs;
    const { outputs, marked } = withExit(options);
    this.outputs = outputs;
    this.#marked = marked;
    const runtime = stages[0]?.session.metadata.get('runtime') ?? 'sessions';
    this.metadata = new Map([
      ...(options.metadata ?? []),
      ['runtime', `${stages.length} stages, ${runtime}`],
    ]);
    this.left = stages.map(() => 0);
    this.#axes = axes;
    // Of a model that takes one sample at a time nothing is ever divided.
    const divided = axes.fixed !== 1;
    const carried = divided ? stages.flatMap((stage) => stage.carried.map((name) => [name, 0] as const)) : [];
    const everywhere = divided ? { ...axes.axes, ...Object.fromEntries(carried) } : {};
    this.#runners = stages.map(({ id, session }) => new StageRunner(id, session, everywhere));
    this.#needed = stages.map(
      (_, i) => new Set(stages.slice(i).flatMap(({ session }) => session.inputs.map(({ name }) => name))),
    );
  }

  async run(feeds: Feeds, options: RunOptions = {}): Promise<Fetches> {
    if (this.#closed !== undefined) throw fail('SESSION_CLOSED', 'it was disposed of before this call');
    const { signal } = options;
    signal?.throwIfAborted();
    checkFeeds(this.inputs, feeds);
    const asked = checkOutputs(this.outputs, options.outputs);
    const samples = this.#samplesOf(feeds);
    const wanted = asked.filter((name) => !this.#marked || name !== EXIT_OUTPUT);
    const answers = new Map<string, Part[]>(wanted.map((name) => [name, []]));
    const exits = new Int32Array(samples);
    let rows = Int32Array.from({ length: samples }, (_, i) => i);
    let luggage: Luggage = new Map(
      Object.entries(feeds).map(([name, tensor]) => [
        name,
        { tensor, axis: this.#axes.axes[name], own: false },
      ]),
    );
    for (const [i, stage] of this.#stages.entries()) {
      const last = i === this.#stages.length - 1;
      const later = last ? new Set<string>() : this.#needed[i + 1]!;
      const carried = stage.carried.filter((name) => later.has(name));
      const answering = last || stage.exit !== undefined ? wanted.map((name) => stage.answers[name]!) : [];
      const names = new Set([...answering, ...carried, ...(stage.exit ? [stage.exit.scores] : [])]);
      const fetches =
        names.size === 0 ? {} : await this.#runners[i]!.run(luggage, rows.length, [...names], later, signal);
      signal?.throwIfAborted();
      for (const name of carried) {
        luggage.set(name, { tensor: fetches[name]!, axis: 0, own: !answering.includes(name) });
      }
      const { leaving, staying } = last ? all(rows.length) : decide(stage, fetches, rows.length);
      if (leaving.length > 0) {
        const own = leaving.map((row) => rows[row]!);
        for (const row of own) exits[row] = i;
        for (const name of wanted) {
          const tensor = fetches[stage.answers[name]!]!;
          const whole = leaving.length === rows.length;
          answers.get(name)!.push({ tensor: whole ? tensor : takeRows(tensor, leaving), rows: own });
        }
        this.left[i]! += leaving.length;
      }
      if (staying.length === 0) break;
      if (leaving.length > 0) {
        rows = staying.map((row) => rows[row]!);
        luggage = packed(luggage, staying, later);
      }
    }
    const fetches: Fetches = {};
    for (const name of asked) {
      const parts = answers.get(name);
      fetches[name] =
        parts === undefined ? Tensor.of('int32', [samples], exits) : joinRows(parts, samples, name);
    }
    return fetches;
  }

  dispose(): Promise<void> {
    this.#closed ??= Promise.all(this.#stages.map(({ session }) => session.dispose())).then(() => {});
    return this.#closed;
  }

  /** Samples of a call. Throws FEED_MISMATCH where inputs do not agree on their number. */
  #samplesOf(feeds: Feeds): number {
    let samples: number | undefined;
    for (const [name, axis] of Object.entries(this.#axes.axes)) {
      const size = feeds[name]?.dims[axis];
      if (size === undefined || (samples !== undefined && size !== samples)) {
        throw fail('FEED_MISMATCH', `input ${name} holds ${size ?? 'no'} samples, another one ${samples}`);
      }
      samples = size;
    }
    return samples ?? 1;
  }
}

function all(samples: number): { leaving: Int32Array; staying: Int32Array } {
  return { leaving: Int32Array.from({ length: samples }, (_, i) => i), staying: new Int32Array(0) };
}

/** Who leaves and who goes on, as rows of this stage. */
function decide(
  { exit }: OpenStage,
  fetches: Fetches,
  samples: number,
): { leaving: Int32Array; staying: Int32Array } {
  const leaving: number[] = [];
  const staying: number[] = [];
  const sure = exit && confidencesOf(fetches[exit.scores]!, samples, exit);
  for (let row = 0; row < samples; row++) {
    // NaN is at least nothing: such a sample goes on.
    if (sure !== undefined && sure[row]! >= exit!.threshold) leaving.push(row);
    else staying.push(row);
  }
  return { leaving: Int32Array.from(leaving), staying: Int32Array.from(staying) };
}

/** What the survivors take along of what is needed later. */
function packed(luggage: Luggage, staying: Int32Array, later: ReadonlySet<string>): Luggage {
  const kept: Luggage = new Map();
  for (const [name, piece] of luggage) {
    const { tensor, axis } = piece;
    if (!later.has(name)) continue;
    if (axis === undefined) kept.set(name, piece);
    else {
      const own = piece.own && axis === 0;
      kept.set(name, {
        tensor: own ? packRows(tensor, staying) : takeRows(tensor, staying, axis),
        axis,
        own: true,
      });
    }
  }
  return kept;
}
