import { Random } from '../../base/index.ts';
import { normalCdf } from '../../measure/index.ts';
import type { Point, Space } from '../space/dimension.ts';
import { keyOf, neighbours, pointsOf, samplePoint, sizeOf } from '../space/space.ts';
import { type BeliefOptions, Beliefs, type Outlook } from './beliefs.ts';
import { Encoding } from './encoding.ts';
import type { Observation, Proposal } from './observation.ts';

export interface SearcherOptions extends BeliefOptions {
  /** How many fidelities there are, the cheapest is 0. Default 1. */
  readonly rungs?: number;
  /** Of the best at a rung, one in so many goes on to the next. Default 3. */
  readonly eta?: number;
  /** Points to begin with, the first first. */
  readonly first?: readonly Point[];
  /** Points far from each other that are looked at before the models are asked. Default: 6, or none where `first` are given. */
  readonly initial?: number;
  /** Seconds that a step takes, above 0; Infinity for one that must not be proposed (now). Default: 1 for all. */
  readonly seconds?: (point: Point, rung: number) => number;
  /** Relative gain in the objective under which a further point is not worth looking at. Default 0.002. */
  readonly tolerance?: number;
  readonly seed?: number;
}

/** Spaces up to this size are looked at whole; of larger ones, as many points are drawn. */
const MOST = 1500;
/** Good points whose neighbours are looked at as well. */
const AROUND = 8;
/** Chance of keeping all constraints under which a result is not followed. */
const HOPELESS = 0.05;
/** Chance that a result which kept them in a full look really does. */
const SURE = 0.9;

/**
 * Proposes what to look at next: asynchronous successive halving over the fidelities (Li et al. 2020), with new points chosen by
 * constrained expected improvement (Gardner et al. 2014) for the time that they take. A pure function of the space, the
 * options and the results so far: the same results give the same proposal.
 */
export class Searcher {
  readonly #o: SearcherOptions;
  readonly #space: Space;
  readonly #encoding: Encoding;
  readonly #rungs: number;
  readonly #small: readonly Point[] | undefined;
  #price: SearcherOptions['seconds'];

  constructor(options: SearcherOptions) {
    this.#o = options;
    this.#space = options.space;
    this.#encoding = new Encoding(options.space);
    this.#rungs = options.rungs ?? 1;
    this.#small = sizeOf(this.#space, MOST + 1) <= MOST ? [...pointsOf(this.#space)] : undefined;
  }

  /**
   * What to do next; undefined where nothing promises a gain any more, or nothing can be paid for. `seconds`: instead of
   * that of the options.
   */
  next(results: readonly Observation[], seconds = this.#o.seconds): Proposal | undefined {
    this.#price = seconds;
    const state = new State(this.#space, results);
    const first = this.#first(state);
    if (first !== undefined) return first;
    const beliefs = new Beliefs(this.#o, results);
    return this.#promote(state, beliefs) ?? this.#explore(state, beliefs) ?? this.#confirm(state, beliefs);
  }

  /** The result to go by: the smallest objective among those that keep the constraints, seen at the highest rung there is. */
  best(results: readonly Observation[]): Observation | undefined {
    const state = new State(this.#space, results);
    const able = state.latest.filter(isFeasible);
    const top = Math.max(...able.map(({ rung }) => rung));
    return able.filter(({ rung }) => rung === top).sort((a, b) => a.objective! - b.objective!)[0];
  }

  /** The points to begin with, then points far from all others, so that every dimension is seen to vary. */
  #first(state: State): Proposal | undefined {
    const { first = [], initial = first.length > 0 ? 0 : 6 } = this.#o;
    const given = first.find(
      (point) => !state.has(point) && this.#seconds(point, 0) < Number.POSITIVE_INFINITY,
    );
    if (given !== undefined) return { point: given, rung: 0, why: 'to begin with' };
    if (state.points >= initial) return undefined;
    const codes = state.latest.map(({ point }) => this.#encoding.encode(point));
    const spread = this.#candidates(state, undefined)
      .map((point) => {
        const code = this.#encoding.encode(point);
        return { point, apart: Math.min(...codes.map((other) => this.#encoding.distance(code, other))) };
      })
      .sort((a, b) => b.apart - a.apart);
    const [farthest] = spread;
    return farthest && { point: farthest.point, rung: 0, why: 'far from what was tried' };
  }

  /** Where enough results stand at a rung, the best of them that has not gone on. */
  #promote(state: State, beliefs: Beliefs): Proposal | undefined {
    const { eta = 3 } = this.#o;
    for (let rung = this.#rungs - 2; rung >= 0; rung--) {
      const reached = state.latest.filter((seen) => seen.rung >= rung && seen.objective !== undefined);
      const gone = reached.filter((seen) => seen.rung > rung).length;
      if (gone >= Math.floor(reached.length / eta)) continue;
      // One way of running a model tells how good the model is: another goes on only where it is surely cheaper.
      const known = new Map<string, number>();
      for (const seen of reached.filter((seen) => seen.rung > rung)) {
        const key = keyOf(this.#space, seen.point, 'model');
        known.set(key, Math.min(seen.objective!, known.get(key) ?? Number.POSITIVE_INFINITY));
      }
      const next = this.#worthMore(state, beliefs, rung).find(({ point, objective, noise = 0 }) => {
        const before = known.get(keyOf(this.#space, point, 'model'));
        return before === undefined || objective! * Math.exp(noise) < before;
      });
      if (next !== undefined) {
        return {
          point: next.point,
          rung: rung + 1,
          why: `among the best of ${reached.length} at a first look`,
        };
      }
    }
    return undefined;
  }

  /** Results at a rung that may keep the constraints and can be paid for, the best first. */
  #worthMore(state: State, beliefs: Beliefs, rung: number): Observation[] {
    return state.latest
      .filter((seen) => seen.rung === rung && seen.objective !== undefined)
      .filter(({ point }) => beliefs.at(point).feasible > HOPELESS)
      .filter(({ point }) => this.#seconds(point, rung + 1) < Number.POSITIVE_INFINITY)
      .map((seen) => ({ seen, rank: seen.objective! / beliefs.at(seen.point).feasible }))
      .sort((a, b) => a.rank - b.rank)
      .map(({ seen }) => seen);
  }

  /** A new point, by what it may gain for its time. */
  #explore(state: State, beliefs: Beliefs): Proposal | undefined {
    const { tolerance = 0.002 } = this.#o;
    const incumbent = state.incumbent(beliefs);
    let best: { point: Point; gain: number; rate: number; outlook: Outlook } | undefined;
    for (const point of this.#candidates(state, beliefs)) {
      const outlook = beliefs.at(point);
      if (incumbent !== undefined && outlook.feasible < HOPELESS) continue;
      const gain = improvement(outlook, incumbent) * outlook.feasible;
      if (incumbent !== undefined && gain < tolerance) continue;
      // The root: what takes ten times as long must promise three times as much, or nothing slow would ever be tried.
      const rate = gain / Math.sqrt(this.#seconds(point, 0));
      if (best === undefined || rate > best.rate) best = { point, gain, rate, outlook };
    }
    if (best === undefined) return undefined;
    const chance = `${Math.round(100 * best.outlook.feasible)} % likely to hold`;
    const why =
      incumbent === undefined
        ? chance
        : `may gain ${(100 * best.gain).toPrecision(2)} % (expected), ${chance}`;
    return { point: best.point, rung: 0, why };
  }

  /** When nothing new is worth it: what may still be the best is looked at in full. */
  #confirm(state: State, beliefs: Beliefs): Proposal | undefined {
    const sure = this.best(state.latest.filter(({ rung }) => rung === this.#rungs - 1))?.objective;
    for (let rung = this.#rungs - 2; rung >= 0; rung--) {
      const next = this.#worthMore(state, beliefs, rung).find(
        ({ objective }) => sure === undefined || objective! < sure,
      );
      if (next === undefined) continue;
      return { point: next.point, rung: rung + 1, why: 'may be the best, and was not looked at in full' };
    }
    return undefined;
  }

  #seconds(point: Point, rung: number): number {
    return this.#price?.(point, rung) ?? 1;
  }

  /** Points not looked at that can be paid for: all of a small space; of a large one, drawn ones and those near to good ones. */
  #candidates(state: State, beliefs: Beliefs | undefined): Point[] {
    const found = new Map<string, Point>();
    const add = (point: Point) => {
      if (!state.has(point) && this.#seconds(point, 0) < Number.POSITIVE_INFINITY) {
        found.set(keyOf(this.#space, point), point);
      }
    };
    if (this.#small !== undefined) for (const point of this.#small) add(point);
    else {
      const random = new Random((this.#o.seed ?? 0) * 7919 + state.count);
      for (let i = 0; i < MOST; i++) add(samplePoint(this.#space, random));
      if (beliefs !== undefined) {
        for (const { point } of state.ranked(beliefs).slice(0, AROUND)) {
          for (const near of neighbours(this.#space, point)) {
            add(near);
          }
        }
      }
      return [...found.values()];
    }
    // A seeded order, so that of equals not always the same is taken.
    return new Random((this.#o.seed ?? 0) * 7919 + state.count).shuffle([...found.values()]);
  }
}

/** What is known so far, by point. */
class State {
  readonly count: number;
  /** Of each point the result at its highest rung, in the order in which the points were first seen. */
  readonly latest: readonly Observation[];
  readonly #space: Space;
  readonly #byKey = new Map<string, Observation>();

  constructor(space: Space, results: readonly Observation[]) {
    this.#space = space;
    this.count = results.length;
    for (const result of results) {
      const key = keyOf(space, result.point);
      const before = this.#byKey.get(key);
      if (before === undefined || result.rung >= before.rung) this.#byKey.set(key, result);
    }
    this.latest = [...this.#byKey.values()];
  }

  get points(): number {
    return this.#byKey.size;
  }

  has(point: Point): boolean {
    return this.#byKey.has(keyOf(this.#space, point));
  }

  /**
   * Seen points by what the models make of them, the best first. What was seen to keep the constraints at the highest rung is
   * believed to, whatever its neighbours make likely.
   */
  ranked(beliefs: Beliefs): { point: Point; mean: number; feasible: number }[] {
    const top = Math.max(...this.latest.map(({ rung }) => rung));
    return this.latest
      .filter(({ objective }) => objective !== undefined)
      .map((seen) => {
        const { objective, feasible } = beliefs.at(seen.point);
        const sure = seen.rung > 0 && seen.rung === top && isFeasible(seen);
        return {
          point: seen.point,
          mean: objective.mean,
          feasible: sure ? Math.max(feasible, SURE) : feasible,
        };
      })
      .sort((a, b) => Number(b.feasible > 0.5) - Number(a.feasible > 0.5) || a.mean - b.mean);
  }

  /** The logarithm of the objective to improve upon: the best of those that likely keep the constraints. */
  incumbent(beliefs: Beliefs): number | undefined {
    const [best] = this.ranked(beliefs);
    return best !== undefined && best.feasible > 0.5 ? best.mean : undefined;
  }
}

function isFeasible({ objective, held = {} }: Observation): boolean {
  return objective !== undefined && Object.values(held).every(({ value }) => value <= 0);
}

/** Expected improvement in the logarithm (Jones et al. 1998): about the relative gain. 1 where there is nothing to improve upon. */
function improvement({ objective: { mean, deviation } }: Outlook, incumbent: number | undefined): number {
  if (incumbent === undefined) return 1;
  const z = (incumbent - mean) / deviation;
  const density = Math.exp(-0.5 * z * z) / Math.sqrt(2 * Math.PI);
  return (incumbent - mean) * normalCdf(z) + deviation * density;
}
