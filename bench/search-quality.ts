import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Random } from '../src/base/index.ts';
import { bootstrapInterval } from '../src/measure/index.ts';
import { keyOf, type Observation, type Point, pointsOf, Searcher } from '../src/optimize/index.ts';
import { type Landscape, lookAt, syntheticLandscape } from '../test/optimize/landscape.ts';
import { ROOT } from '../test/shared-data.ts';
import { option } from './arguments.ts';
import { readRecorded } from './recorded-landscape.ts';

/**
 * How near the search comes to the best of a space that is known as a whole, with a tenth of its trials: on spaces that
 * `search-record` measured (out/search/*.json), and on synthetic ones. `npm run bench -- search-quality [--seeds 20]
 * [--share 0.1]`. Share: the best objective there is over the one found, both within the bound; 1 is the best, 0 is
 * nothing within the bound. Every look counts as a trial at its price: a first look at a part of the samples costs a quarter.
 */
const seeds = Number(option('seeds') ?? '20');
const share = Number(option('share') ?? '0.1');
const FIRST_LOOK = 0.25;

const folder = join(ROOT, 'out', 'search');
const recorded = existsSync(folder)
  ? readdirSync(folder)
      .filter((name) => name.endsWith('.json'))
      .sort()
  : [];
const spaces: { title: string; of: (seed: number) => Landscape; rungs: number }[] = [
  ...recorded.map((name) => {
    const landscape = readRecorded(readFileSync(join(folder, name), 'utf8'));
    return { title: landscape.name, of: () => landscape, rungs: 1 };
  }),
  { title: 'synthetic, one fidelity', of: syntheticLandscape, rungs: 1 },
  { title: 'synthetic, two fidelities', of: syntheticLandscape, rungs: 2 },
];
if (recorded.length === 0) console.log('no recorded spaces in out/search: npm run bench -- search-record');
console.log(
  `${seeds} seeds, ${Math.round(100 * share)} % of the trials; share of the best: mean (95 %), worst, reached 95 %\n`,
);
console.log('| space | points | trials | search | at least 95 % | random | at least 95 % |');
console.log('|---|---|---|---|---|---|---|');
for (const { title, of, rungs } of spaces) {
  const ours: number[] = [];
  const theirs: number[] = [];
  let points: Point[] = [];
  for (let seed = 0; seed < seeds; seed++) {
    const landscape = of(seed);
    points = [...pointsOf(landscape.space)];
    const trials = share * points.length;
    ours.push(qualityOf(landscape, points, bySearch(landscape, trials, rungs, seed)));
    theirs.push(qualityOf(landscape, points, byChance(landscape, points, Math.floor(trials), seed)));
  }
  const cells = [title, points.length, Math.floor(share * points.length), ...tell(ours), ...tell(theirs)];
  console.log(`| ${cells.join(' | ')} |`);
}

function tell(shares: readonly number[]): string[] {
  const mean = (chosen?: Uint32Array) => {
    const all = chosen === undefined ? shares : Array.from(chosen, (i) => shares[i]!);
    return all.reduce((sum, value) => sum + value, 0) / all.length;
  };
  const { low, high } = bootstrapInterval(shares.length, mean, { seed: 0 });
  const reached = shares.filter((value) => value >= 0.95).length;
  const words = `${mean().toFixed(3)} (${low.toFixed(3)}–${high.toFixed(3)}), ${Math.min(...shares).toFixed(3)}`;
  return [words, `${reached} of ${shares.length}`];
}

function qualityOf(landscape: Landscape, points: readonly Point[], found: Point | undefined): number {
  if (found === undefined) return 0;
  const able = points.map((point) => landscape.truth(point)).filter(({ loss }) => loss <= 0);
  const best = Math.min(...able.map(({ objective }) => objective));
  const own = landscape.truth(found);
  return own.loss <= 0 ? best / own.objective : 0;
}

function bySearch(landscape: Landscape, trials: number, rungs: number, seed: number): Point | undefined {
  const price = (rung: number) => (rung === rungs - 1 ? 1 : FIRST_LOOK);
  const results: Observation[] = [];
  let spent = 0;
  const searcher = new Searcher({
    space: landscape.space,
    constraints: { loss: 'model' },
    proxy: (point) => ({ objective: landscape.proxy(point) }),
    rungs,
    tolerance: 0,
    seconds: (_point, rung) => (spent + price(rung) <= trials ? price(rung) : Number.POSITIVE_INFINITY),
    seed,
  });
  for (;;) {
    const proposal = searcher.next(results);
    if (proposal === undefined) break;
    spent += price(proposal.rung);
    results.push(lookAt(landscape, proposal.point, proposal.rung, { top: rungs - 1, seed, noise: 0.05 }));
  }
  return searcher.best(results.filter(({ rung }) => rung === rungs - 1))?.point;
}

function byChance(
  landscape: Landscape,
  points: readonly Point[],
  trials: number,
  seed: number,
): Point | undefined {
  const drawn = new Random(seed).shuffle([...points]).slice(0, trials);
  const able = drawn.filter((point) => landscape.truth(point).loss <= 0);
  const key = (point: Point) => keyOf(landscape.space, point);
  return able.sort(
    (a, b) => landscape.truth(a).objective - landscape.truth(b).objective || key(a).localeCompare(key(b)),
  )[0];
}
