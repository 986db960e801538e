import { normalCdf } from '../../measure/index.ts';
import type { Point, Space } from '../space/dimension.ts';
import { keyOf } from '../space/space.ts';
import { Encoding } from './encoding.ts';
import type { Observation } from './observation.ts';
import { type Belief, type Evidence, Surrogate } from './surrogate.ts';

/** What a point costs by arithmetic alone, before anything runs. */
export interface Guess {
  /** On the scale of the objective, up to a factor; above 0. */
  readonly objective: number;
  /** For constraints by name: anything that grows with them. */
  readonly held?: Readonly<Record<string, number>>;
}

export interface BeliefOptions {
  readonly space: Space;
  /** The constraints, each with the dimensions that it depends on. */
  readonly constraints: Readonly<Record<string, 'model' | 'all'>>;
  readonly proxy?: (point: Point) => Guess;
}

/** Where the shapes of the models are fitted anew: at these numbers of observations. Between them they are kept. */
function fittedAt(count: number): number {
  let at = 3;
  for (let next = at; next <= count; next = Math.max(at + 1, Math.floor(at * 1.25))) at = next;
  return at;
}

/** What is expected at a point. */
export interface Outlook {
  /** Of the logarithm of the objective. */
  readonly objective: Belief;
  /** Chance that all constraints hold. */
  readonly feasible: number;
}

/** One model of the objective and one of each constraint, from what was seen; each point counts by its highest rung. */
export class Beliefs {
  readonly #options: BeliefOptions;
  readonly #objective: Learned;
  readonly #constraints: readonly Learned[];
  readonly #outlooks = new Map<string, Outlook>();

  constructor(options: BeliefOptions, observations: readonly Observation[]) {
    this.#options = options;
    const { space, constraints, proxy } = options;
    this.#objective = new Learned(space, undefined, observations, {
      value: ({ objective, noise = 0 }) =>
        objective === undefined ? undefined : { value: Math.log(objective), noise },
      hint: (point) => Math.log(proxy?.(point).objective ?? 1),
    });
    this.#constraints = Object.entries(constraints).map(
      ([name, on]) =>
        new Learned(space, on === 'model' ? 'model' : undefined, observations, {
          value: ({ held }) => held?.[name],
          hint: (point) => proxy?.(point).held?.[name] ?? 0,
        }),
    );
  }

  at(point: Point): Outlook {
    const key = keyOf(this.#options.space, point);
    let found = this.#outlooks.get(key);
    if (found === undefined) {
      let feasible = 1;
      for (const constraint of this.#constraints) {
        const belief = constraint.predict(point);
        if (belief !== undefined) feasible *= normalCdf(-belief.mean / belief.deviation);
      }
      found = { objective: this.#objective.predict(point) ?? { mean: 0, deviation: 1 }, feasible };
      this.#outlooks.set(key, found);
    }
    return found;
  }
}

interface Reading {
  value(observation: Observation): { value: number; noise: number } | undefined;
  hint(point: Point): number;
}

/** One quantity over the dimensions that it depends on. */
class Learned {
  readonly #encoding: Encoding;
  readonly #reading: Reading;
  readonly #surrogate: Surrogate | undefined;
  readonly #known = new Map<string, Belief>();

  constructor(
    space: Space,
    kind: 'model' | undefined,
    observations: readonly Observation[],
    reading: Reading,
  ) {
    this.#encoding = new Encoding(space, kind);
    this.#reading = reading;
    const shape = this.#learn(space, kind, observations.slice(0, fittedAt(observations.length)))?.shape;
    this.#surrogate = this.#learn(space, kind, observations, shape);
  }

  predict(point: Point): Belief | undefined {
    const code = this.#encoding.encode(point);
    const hint = this.#reading.hint(point);
    const key = `${code.join()} ${hint}`;
    let found = this.#known.get(key);
    if (found === undefined && this.#surrogate !== undefined) {
      found = this.#surrogate.predict(code, hint);
      this.#known.set(key, found);
    }
    return found;
  }

  #learn(
    space: Space,
    kind: 'model' | undefined,
    observations: readonly Observation[],
    shape?: Surrogate['shape'],
  ): Surrogate | undefined {
    const best = new Map<string, { observation: Observation; value: number; noise: number }>();
    for (const observation of observations) {
      const read = this.#reading.value(observation);
      if (read === undefined || !Number.isFinite(read.value)) continue;
      const key = keyOf(space, observation.point, kind);
      const before = best.get(key);
      if (before === undefined || before.observation.rung <= observation.rung)
        best.set(key, { observation, ...read });
    }
    const rows = [...best.values()];
    if (rows.length < 2) return undefined;
    const evidence: Evidence = {
      codes: rows.map(({ observation }) => this.#encoding.encode(observation.point)),
      values: rows.map(({ value }) => value),
      noises: rows.map(({ noise }) => noise),
      hints: rows.map(({ observation }) => this.#reading.hint(observation.point)),
    };
    return new Surrogate(this.#encoding.axes, evidence, shape);
  }
}
