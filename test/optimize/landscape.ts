import { Random } from '../../src/base/index.ts';
import type { Observation, Point, Space } from '../../src/optimize/index.ts';
import { keyOf } from '../../src/optimize/index.ts';

/** A space of which every point's truth is known. */
export interface Landscape {
  readonly name: string;
  readonly space: Space;
  /** The truth: what is minimized, above 0, and the loss over what is allowed (at most 0: it holds). */
  truth(point: Point): { objective: number; loss: number };
  /** What arithmetic alone would guess of the objective. */
  proxy(point: Point): number;
}

/**
 * Landscapes like those of models: shapes, precisions with knobs of their own, settings of the run. Costs multiply, with
 * interactions; the loss adds up and rises with what is cheap, so that the best lies on its bound. All from the seed.
 */
export function syntheticLandscape(seed: number): Landscape {
  const random = new Random(seed + 1000);
  const space: Space = {
    dimensions: [
      { name: 'size', says: 'share of the MACs', values: [1, 0.5, 0.25, 0.12], ordered: true, kind: 'model' },
      {
        name: 'precision',
        says: 'numbers',
        values: ['float', 'static', 'dynamic'],
        ordered: false,
        kind: 'model',
      },
      {
        name: 'ranges',
        says: 'how ranges are chosen',
        values: ['minmax', 'mse', 'percentile', 'entropy'],
        ordered: false,
        kind: 'model',
        when: [{ dimension: 'precision', in: ['static'] }],
      },
      {
        name: 'kept',
        says: 'layers left in float',
        values: [0, 1, 2, 4, 8],
        ordered: true,
        kind: 'model',
        when: [{ dimension: 'precision', in: ['static'] }],
      },
      { name: 'instances', says: 'sessions', values: [1, 2], ordered: true, kind: 'run' },
      { name: 'batch', says: 'samples a call', values: [1, 4, 16, 64], ordered: true, kind: 'run' },
    ],
  };
  const effects = new Map<string, number>();
  /** One number for a combination of values, drawn when it is first asked for, in the order of the space: see below. */
  const effect = (key: string, spread: number) => spread * (effects.get(key) ?? 0);
  for (const dimension of space.dimensions) {
    for (const value of dimension.values) {
      effects.set(`${dimension.name}=${value}`, random.normal());
      for (const other of space.dimensions) {
        for (const theirs of other.values)
          effects.set(`${dimension.name}=${value} ${other.name}=${theirs}`, random.normal());
      }
    }
  }
  const rough = (point: Point) => {
    const ways = { float: 1, static: 0.4, dynamic: 0.6 }[String(point.precision)] ?? 1;
    const kept = 1 + 0.06 * Number(point.kept ?? 0);
    const batch = 0.55 + 0.45 / Math.sqrt(Number(point.batch));
    return Number(point.size) ** 0.8 * ways * kept * batch * Number(point.instances) ** -0.7;
  };
  const truth = (point: Point) => {
    let log = Math.log(rough(point));
    const names = Object.keys(point);
    for (const name of names) {
      log += effect(`${name}=${point[name]}`, 0.12);
      for (const other of names) log += effect(`${name}=${point[name]} ${other}=${point[other]}`, 0.03);
    }
    let loss = -1 + 0.5 * Math.log2(1 / Number(point.size)) ** 1.3;
    loss += { float: 0, static: 0.9, dynamic: 0.3 }[String(point.precision)] ?? 0;
    loss += point.ranges === undefined ? 0 : effect(`ranges=${point.ranges}`, 0.35);
    loss -= point.kept === undefined ? 0 : 0.5 * Math.log2(1 + Number(point.kept));
    loss += effect(`size=${point.size} precision=${point.precision}`, 0.2);
    if (point.size === 1 && point.precision === 'float') loss = -1;
    return { objective: Math.exp(log), loss };
  };
  return { name: `synthetic ${seed}`, space, truth, proxy: rough };
}

/** A look at a point as the search would take it: less sure at a low rung, by noise that the seed fixes for each point. */
export function lookAt(
  landscape: Landscape,
  point: Point,
  rung: number,
  { top, seed, noise }: { top: number; seed: number; noise: number },
): Observation {
  const { objective, loss } = landscape.truth(point);
  if (rung === top)
    return { point, rung, objective, noise: 0.01, held: { loss: { value: loss, noise: 0.01 } } };
  let hash = seed;
  for (const letter of `${rung} ${keyOf(landscape.space, point)}`)
    hash = (Math.imul(hash, 31) + letter.charCodeAt(0)) | 0;
  const random = new Random(hash);
  return {
    point,
    rung,
    objective: objective * Math.exp(noise * random.normal()),
    noise,
    held: { loss: { value: loss + 0.3 * random.normal(), noise: 0.3 } },
  };
}
