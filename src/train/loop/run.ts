import { SILENT } from '../../base/index.ts';
import { bind, type Dataset } from '../../data/index.ts';
import { cloneModel, type Model, Tensor } from '../../graph/index.ts';
import { type Feeds, type Fetches, openStateful, type StatefulSession } from '../../run/index.ts';
import type { Optimizer } from '../optimizers/optimizer.ts';
import type { Prepared } from '../prepare/prepare.ts';
import { rateAt, type Schedule } from '../schedules.ts';
import { STEP } from '../step/names.ts';
import type { StepGraph } from '../step/step-graph.ts';
import { type RunState, readCheckpoint, writeCheckpoint } from './checkpoint.ts';
import { diagnose } from './diagnose.ts';
import type { FitOptions, FitResult } from './options.ts';
import { mixtureOf, type Order } from './order.ts';
import type { Targets } from './targets.ts';

/** Everything a run needs, settled before its first step. */
export interface RunPlan {
  readonly prepared: Prepared;
  readonly graph: StepGraph;
  readonly targets: Targets;
  readonly data: Dataset;
  readonly order: Order;
  readonly batch: number;
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  readonly optimizer: Optimizer;
  readonly schedule: Schedule;
  readonly options: FitOptions;
  /** Tells one run from another, for the checkpoint. */
  readonly identity: string;
  readonly validate: ((model: Model) => Promise<number>) | undefined;
}

/** Steps after which the time of a step is known well enough to plan a run by time. */
const TIMED_STEPS = 20;
/** What a run by time leaves for its end. */
const SPARE = 0.97;
const BEST = 'best.';

interface Pending {
  readonly step: number;
  readonly feeds: Feeds;
  readonly answer: Promise<Fetches>;
}

/** A run of training: steps, epochs, checkpoints. */
export class Run {
  readonly #plan: RunPlan;
  readonly #session: StatefulSession;
  readonly #resumed: boolean;
  #steps: number;
  #step: number;
  #losses: number[];
  #lossSum: number;
  #lossCount: number;
  #validation: number[];
  #secondsBefore: number;
  #best: ReadonlyMap<string, Tensor> | undefined;
  readonly #started = performance.now();
  #checkpointAt = performance.now();
  #written: string | undefined;

  private constructor(
    plan: RunPlan,
    session: StatefulSession,
    state: RunState,
    best: ReadonlyMap<string, Tensor> | undefined,
    resumed: boolean,
  ) {
    this.#plan = plan;
    this.#session = session;
    this.#resumed = resumed;
    this.#step = state.step;
    this.#steps = state.steps;
    this.#losses = [...state.losses];
    this.#lossSum = state.lossSum;
    this.#lossCount = state.lossCount;
    this.#validation = [...state.validation];
    this.#secondsBefore = state.seconds;
    this.#best = best;
    if (resumed) this.#written = plan.options.checkpoint;
  }

  /** Opens the step, where a checkpoint of the same run lies there just behind its last step. */
  static async open(plan: RunPlan): Promise<Run> {
    const { graph, options, identity, order } = plan;
    const found =
      options.checkpoint === undefined ? undefined : await readCheckpoint(options.checkpoint, identity);
    const kept = Object.keys(graph.carry).map((name) => [
      name,
      found?.tensors.get(name) ?? graph.initial[name]!,
    ]);
    const session = await openStateful(graph.model, {
      carry: graph.carry,
      initial: Object.fromEntries(kept),
      guard: STEP.loss,
      settings: options.settings,
    });
    const best = [...(found?.tensors ?? [])].flatMap(([name, tensor]) =>
      name.startsWith(BEST) ? [[name.slice(BEST.length), tensor] as const] : [],
    );
    const byTime = options.seconds !== undefined;
    const steps = byTime ? 0 : Math.ceil(options.steps ?? (options.epochs ?? 10) * order.steps);
    const fresh = { step: 0, steps, losses: [], lossSum: 0, lossCount: 0, validation: [], seconds: 0 };
    const state = found?.state ?? fresh;
    return new Run(plan, session, state, best.length > 0 ? new Map(best) : undefined, found !== undefined);
  }

  async toEnd(): Promise<Omit<FitResult, 'batch' | 'weights' | 'parameters'>> {
    const { options, order } = this.#plan;
    if (this.#steps === 0) await this.#planByTime(options.seconds!);
    const stage = (options.progress ?? SILENT).stage('Training', this.#steps);
    stage.advance(this.#step);
    let pending: Pending | undefined;
    try {
      while (this.#step < this.#steps) {
        const next = await this.#send(this.#step + (pending === undefined ? 0 : 1));
        if (pending !== undefined) await this.#settle(pending, () => stage.advance(1, this.#note()));
        pending = next;
        const boundary = (next.step + 1) % order.steps === 0 || next.step + 1 >= this.#steps;
        if (!boundary && !this.#checkpointDue) continue;
        await this.#settle(pending, () => stage.advance(1, this.#note()));
        pending = undefined;
        if (boundary && (await this.#endEpoch())) break;
        if (this.#checkpointDue || boundary) await this.#checkpoint();
      }
    } catch (cause) {
      if (options.signal?.aborted) await this.#leave(pending);
      throw cause;
    } finally {
      stage.end();
    }
    const model = await this.#result();
    return {
      model,
      losses: this.#losses,
      validation: this.#validation,
      ...(this.#best !== undefined && { bestEpoch: 1 + this.#bestAt() }),
      steps: this.#step,
      seconds: this.#seconds,
      resumed: this.#resumed,
    };
  }

  async dispose(): Promise<void> {
    await this.#session.dispose();
  }

  /** Stopped on request: what is done is kept for a later run. */
  async #leave(pending: Pending | undefined): Promise<void> {
    if (pending !== undefined) await this.#settle(pending, () => {});
    await this.#checkpoint();
  }

  get #seconds(): number {
    return this.#secondsBefore + (performance.now() - this.#started) / 1000;
  }

  #note(): string {
    return `loss ${(this.#lossSum / Math.max(1, this.#lossCount)).toPrecision(4)}`;
  }

  /** The number of steps that fit into a time, by the first ones; they count. */
  async #planByTime(seconds: number): Promise<void> {
    this.#steps = Number.MAX_SAFE_INTEGER;
    const warm = await this.#send(0);
    await this.#settle(warm, () => {});
    const begin = performance.now();
    let done = 0;
    while (done < TIMED_STEPS && (performance.now() - begin) / 1000 < seconds / 4) {
      await this.#settle(await this.#send(this.#step), () => {});
      done++;
    }
    const each = (performance.now() - begin) / 1000 / Math.max(1, done);
    const left = seconds * SPARE - this.#seconds;
    this.#steps = this.#step + Math.max(0, Math.floor(left / each));
  }

  /** Sends a step on its way. */
  async #send(step: number): Promise<Pending> {
    const { targets, data, order, batch, options, optimizer, schedule } = this.#plan;
    const { signal, seed = 0 } = options;
    signal?.throwIfAborted();
    const indices = order.indices(step);
    const feeds: Record<string, Tensor> = {};
    const ports = this.#session.inputs.filter(({ name }) => name in this.#plan.shapes);
    for await (const found of bind(data, ports, { batch, indices, signal })) {
      Object.assign(feeds, found.feeds, await targets.feeds(indices, found.labels, signal));
    }
    const rate = options.rate ?? optimizer.rate;
    const warmUp = options.warmUp ?? Math.min(500, Math.floor(this.#planned / 20));
    const now = rateAt(schedule, rate, step, this.#planned, warmUp);
    const scalars: Record<string, number> = {
      ...optimizer.scalars(step + 1, now, options.optimizerOptions ?? {}),
      decay: now,
      // A young average follows the weights closely, as TensorFlow's ExponentialMovingAverage with num_updates.
      average: 1 - Math.min(options.average ?? 0, (1 + step) / (10 + step)),
    };
    for (const [name, value] of Object.entries(scalars))
      feeds[STEP.scalar(name)] = Tensor.float32([], [value]);
    if ((options.mixup ?? 0) > 0) {
      const { partner, share } = mixtureOf(seed, step, batch, options.mixup!);
      feeds[STEP.partner] = Tensor.int64([batch], partner);
      feeds[STEP.share] = Tensor.float32([], [share]);
    }
    const wanted = new Set(this.#session.inputs.map(({ name }) => name));
    const given = Object.fromEntries(Object.entries(feeds).filter(([name]) => wanted.has(name)));
    const answer = this.#session.step(given);
    // Whoever settles it hears of a failure; until then it is not unhandled.
    answer.catch(() => {});
    return { step, feeds, answer };
  }

  /** Steps the schedule is made for: where the time decides, and is not known yet, the whole run lies ahead. */
  get #planned(): number {
    return this.#steps === Number.MAX_SAFE_INTEGER ? 1e6 : this.#steps;
  }

  async #settle({ step, feeds, answer }: Pending, advance: () => void): Promise<void> {
    const loss = Number((await answer)[STEP.loss]!.numbers()[0]);
    if (!Number.isFinite(loss)) throw await this.#astray(step, feeds);
    this.#lossSum += loss;
    this.#lossCount++;
    this.#step = step + 1;
    advance();
  }

  async #astray(step: number, feeds: Feeds): Promise<Error> {
    const { prepared, graph, shapes } = this.#plan;
    const kept = (await this.#session.kept([STEP.parameters]))[STEP.parameters]!.as('float32');
    const inputs = Object.fromEntries(Object.keys(shapes).map((name) => [name, feeds[name]!]));
    const forward = withTensors(prepared.forward, graph.layout.tensors(kept));
    return diagnose(forward, graph.layout, kept, inputs, step + 1, this.#written);
  }

  /** Closes the books of an epoch; returns whether the run is to end. */
  async #endEpoch(): Promise<boolean> {
    const { validate, options } = this.#plan;
    if (this.#lossCount > 0) this.#losses.push(this.#lossSum / this.#lossCount);
    this.#lossSum = 0;
    this.#lossCount = 0;
    if (validate === undefined) return false;
    const tensors = await this.#tensors();
    this.#validation.push(await validate(withTensors(this.#plan.prepared.model, tensors)));
    if (this.#bestAt() === this.#validation.length - 1) this.#best = tensors;
    const since = this.#validation.length - 1 - this.#bestAt();
    return options.validation?.patience !== undefined && since >= options.validation.patience;
  }

  /** The epoch (from 0) with the best figure; of equal ones the first. */
  #bestAt(): number {
    const higher = this.#plan.options.validation?.metric.higherIsBetter !== false;
    const best = this.#validation.reduce(
      (a, b) => ((higher ? b > a : b < a) ? b : a),
      this.#validation[0] ?? 0,
    );
    return Math.max(0, this.#validation.indexOf(best));
  }

  get #checkpointDue(): boolean {
    const { checkpoint, checkpointEvery = 30 } = this.#plan.options;
    return checkpoint !== undefined && performance.now() - this.#checkpointAt > checkpointEvery * 1000;
  }

  async #checkpoint(): Promise<void> {
    const { options, identity } = this.#plan;
    if (options.checkpoint === undefined) return;
    const tensors = new Map(Object.entries(await this.#session.kept()));
    const weights = tensors.get(STEP.parameters)!.as('float32');
    // A checkpoint of a run that is lost already would take the place of a good one.
    if (!weights.every(Number.isFinite)) return;
    for (const [name, tensor] of this.#best ?? []) tensors.set(`${BEST}${name}`, tensor);
    const state: RunState = {
      step: this.#step,
      steps: this.#steps,
      losses: this.#losses,
      lossSum: this.#lossSum,
      lossCount: this.#lossCount,
      validation: this.#validation,
      seconds: this.#seconds,
    };
    await writeCheckpoint(options.checkpoint, identity, { state, tensors });
    this.#written = options.checkpoint;
    this.#checkpointAt = performance.now();
  }

  /** Weights and running statistics as they are now, by the names of their initializers. */
  async #tensors(): Promise<ReadonlyMap<string, Tensor>> {
    const { graph, options } = this.#plan;
    const weights = options.average === undefined ? STEP.parameters : STEP.average;
    const names = graph.running === undefined ? [weights] : [weights, STEP.running];
    const kept = await this.#session.kept(names);
    const found = graph.layout.tensors(kept[weights]!.as('float32'));
    if (graph.running !== undefined) {
      for (const [name, tensor] of graph.running.tensors(kept[STEP.running]!.as('float32')))
        found.set(name, tensor);
    }
    return found;
  }

  async #result(): Promise<Model> {
    return withTensors(this.#plan.prepared.model, this.#best ?? (await this.#tensors()));
  }
}

/** The model with other values for some of its initializers; names that it does not have are passed over. */
export function withTensors(model: Model, tensors: ReadonlyMap<string, Tensor>): Model {
  const copy = cloneModel(model);
  for (const [name, tensor] of tensors) {
    if (copy.graph.initializers.has(name)) copy.graph.initializers.set(name, tensor);
  }
  return copy;
}
