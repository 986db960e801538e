import { fail, ModicumError, messageOf } from '../base/index.ts';
import type { Budget } from './budget.ts';
import type { FeedStore } from './feed-store.ts';
import type { Goal } from './goal.ts';
import type { Journal } from './journal/journal.ts';
import type { Judge } from './judge.ts';
import { observationOf } from './observe.ts';
import type { Kitchen } from './recipe.ts';
import type { Observation } from './searcher/observation.ts';
import type { Sensitivity } from './sensitivity.ts';
import type { RunSettings } from './settings.ts';
import type { Point } from './space/dimension.ts';
import {
  type Candidate,
  candidateOf,
  type Found,
  settingsOf,
  shapeOf,
  type TrainingTimes,
} from './space/recipe-of.ts';
import { runnableOf, type Timing, type Variant } from './variant.ts';

export interface LooksOptions {
  readonly kitchen: Kitchen;
  readonly judge: Judge;
  readonly journal: Journal;
  readonly budget: Budget;
  readonly feeds: FeedStore;
  readonly goal: Goal;
  readonly times: TrainingTimes;
  /** What points leave open. */
  readonly settings: RunSettings;
  /** For one sample a call. */
  readonly single: RunSettings;
  /** Samples of the last test. */
  readonly heldOut: number;
  /** Finds the precision of each layer of a shape. Throws where no mix holds. */
  readonly mix: (shape: Candidate, settings: RunSettings) => Promise<Readonly<Record<string, string>>>;
}

/** Fidelities: a first look (few samples, a short race), and one in full (the search part, a race with more rounds). */
export const RUNGS = 2;
/** Seconds of the races by rung, and rounds of the short one. */
const RACE = [{ seconds: 0.5, rounds: 3 }, { seconds: 2 }] as const;

/** A look that the search took. */
export interface Look {
  readonly point: Point;
  readonly rung: number;
  readonly why: string;
  /** Undefined where it could not be made. */
  readonly variant?: Variant;
  readonly settings: RunSettings;
  readonly timing?: Timing;
  readonly observation: Observation;
  /** Seconds that it took. */
  readonly seconds: number;
}

/** Makes and measures what the search asks for, and keeps what came of it. */
export class Looks {
  readonly #o: LooksOptions;
  readonly #variants = new Map<string, Variant>();
  readonly #rungs = new Map<Variant, number>();
  readonly #taken: Look[] = [];
  /** The first sensitivity that was asked for: that of the whole model where there is one. */
  #sensitivity: readonly Sensitivity[] = [];

  constructor(options: LooksOptions) {
    this.#o = options;
  }

  get taken(): readonly Look[] {
    return this.#taken;
  }

  get variants(): readonly Variant[] {
    return [...this.#variants.values()];
  }

  get sensitivity(): readonly Sensitivity[] {
    return this.#sensitivity;
  }

  /** The highest rung that a variant was looked at, -1 for none. */
  rungOf(variant: Variant): number {
    return this.#rungs.get(variant) ?? -1;
  }

  /** One step of the search. What cannot be made is a result, not an error; what the user stopped is. */
  async look(point: Point, rung: number, why: string): Promise<Look> {
    const { budget, settings: otherwise } = this.#o;
    const settings = settingsOf(point, otherwise);
    const before = budget.elapsed;
    const done = (rest: Omit<Look, 'point' | 'rung' | 'why' | 'settings' | 'seconds'>): Look => {
      const look = { point, rung, why, settings, seconds: budget.elapsed - before, ...rest };
      this.#taken.push(look);
      return look;
    };
    try {
      const variant = await this.#made(point);
      if (typeof variant === 'string') return done({ observation: { point, rung, failed: variant } });
      const timing = await this.#assess(variant, settings, rung);
      const observation = observationOf(point, rung, variant, timing, this.#o.goal, this.#o.heldOut);
      return done({ variant, timing, observation });
    } catch (cause) {
      if (!(cause instanceof ModicumError) || cause.code === 'CANCELLED') throw cause;
      return done({ observation: { point, rung, failed: messageOf(cause) } });
    }
  }

  /** The variant of a point, made where it is not there yet, or why it cannot be. */
  async #made(point: Point): Promise<Variant | string> {
    const candidate = await this.#candidateOf(point);
    const known = this.#variants.get(candidate.title);
    if (known !== undefined) return known;
    const { kitchen, journal, settings } = this.#o;
    // What fails is recorded too, or a search that is taken up again would try it once more.
    const failed = await journal.step(`make ${candidate.title}`, async () => {
      try {
        await kitchen.cook(candidate.recipe);
        return '';
      } catch (cause) {
        if (!(cause instanceof ModicumError) || cause.code === 'CANCELLED') throw cause;
        return messageOf(cause);
      }
    });
    if (failed !== '') return failed;
    const cooked = await kitchen.cook(candidate.recipe);
    const variant: Variant = { ...cooked, ...candidate, settings, status: 'dominated', why: '' };
    this.#variants.set(candidate.title, variant);
    return variant;
  }

  /** The recipe of a point; for layers that stay in float it is measured which they are. */
  async #candidateOf(point: Point): Promise<Candidate> {
    const { kitchen, times, judge, feeds, settings } = this.#o;
    const plain = candidateOf(point, times);
    const { slow: slowIn = 'integers', kept = 0 } = point;
    if (point.precision === 'mixed') {
      const shape = shapeOf(point, times);
      const assignment = await this.#o.mix(shape, settings);
      return candidateOf(point, times, { slow: [], sensitive: [], assignment });
    }
    if (point.precision !== 'static' || (slowIn === 'integers' && kept === 0)) return plain;
    // The question is put once for a shape, with the plainest ranges, whatever the point chooses.
    const asked = candidateOf(
      { ...point, ranges: 'minmax', equalized: 'no', fitted: 'largest', bits: 8 },
      times,
    );
    const inFloat: { -readonly [Name in keyof Found]: Found[Name] } = { slow: [], sensitive: [] };
    if (Number(kept) > 0) {
      const ranked = await kitchen.sensitivity(asked.recipe);
      if (this.#sensitivity.length === 0) this.#sensitivity = ranked;
      const worst = [...ranked].sort((a, b) => a.sqnr - b.sqnr).map(({ node }) => node);
      inFloat.sensitive = worst.slice(0, Number(kept));
    }
    if (slowIn === 'float') {
      const cooked = await kitchen.cook(asked.recipe);
      const { inputs } = await judge.portsOf(cooked.model);
      const [first] = await feeds.feeds(inputs, feeds.batchFor(inputs, settings.batch));
      const slow = first === undefined ? [] : await kitchen.slowNodes(asked.recipe, settings, first);
      const heavy = kitchen.heavyNodes(cooked);
      if (heavy.length > 0 && heavy.every((node) => slow.includes(node))) {
        throw fail('NOTHING_TO_QUANTIZE', 'every layer is slower in int8 on this machine');
      }
      inFloat.slow = slow;
    }
    return candidateOf(point, times, inFloat);
  }

  async #assess(variant: Variant, settings: RunSettings, rung: number): Promise<Timing> {
    const { judge, single, goal } = this.#o;
    if (this.rungOf(variant) < rung) {
      const part = rung === 0 ? 'first' : 'search';
      const { evaluation, drop } = await judge.evaluate(runnableOf(variant), part, variant.title);
      variant.evaluation = evaluation;
      variant.drop = drop;
      if (rung > 0) variant.noise = await this.#noiseOf(variant);
      this.#rungs.set(variant, rung);
    }
    const length = RACE[rung as 0 | 1];
    const timing = await judge.race(runnableOf(variant), variant.title, settings, {
      ...length,
      ...(rung > 0 && goal.minimize !== 'latency' && { single }),
    });
    return timing;
  }

  /** Of a model with exits it says little: samples that left have answers of another head. */
  async #noiseOf({ faithful, exits, model, title }: Variant): Promise<number | undefined> {
    if (faithful) return 0;
    return exits === undefined ? this.#o.judge.noise(model, title) : undefined;
  }

  /** A look in full at a variant that was made elsewhere. */
  async lookAt(variant: Variant, point: Point, why: string): Promise<Look> {
    const { budget, goal, heldOut } = this.#o;
    this.#variants.set(variant.title, variant);
    const [before, rung, { settings }] = [budget.elapsed, RUNGS - 1, variant];
    const timing = await this.#assess(variant, settings, rung);
    const observation = observationOf(point, rung, variant, timing, goal, heldOut);
    const look: Look = {
      point,
      rung,
      why,
      variant,
      settings,
      timing,
      observation,
      seconds: budget.elapsed - before,
    };
    this.#taken.push(look);
    return look;
  }

  /** Notes that what was wanted could not be made. */
  refused(point: Point, why: string, failed: string, seconds: number): void {
    const { settings } = this.#o;
    this.#taken.push({ point, rung: 0, why, settings, seconds, observation: { point, rung: 0, failed } });
  }

  /**
   * Gives every variant the settings and the timing of its best look: the one with the least objective among those that keep the
   * constraints of the run; a first look must be better by what it may be off. `full`: of looks in full alone, where there are any.
   */
  settle(full = false): void {
    for (const variant of this.variants) {
      const all = this.#taken.filter((look) => look.variant === variant && look.timing !== undefined);
      const looks = full && all.some(({ rung }) => rung > 0) ? all.filter(({ rung }) => rung > 0) : all;
      const late = ({ observation }: Look) => Number((observation.held?.p99?.value ?? 0) > 0);
      const paid = ({ observation, rung }: Look) =>
        observation.objective! * (rung > 0 ? 1 : Math.exp(observation.noise ?? 0));
      const [best] = [...looks].sort((a, b) => late(a) - late(b) || paid(a) - paid(b) || b.rung - a.rung);
      if (best === undefined) continue;
      variant.settings = best.settings;
      variant.timing = best.timing;
    }
  }
}
