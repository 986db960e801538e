import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lookAt, syntheticLandscape } from '../../../test/optimize/landscape.ts';
import type { Point } from '../space/dimension.ts';
import { keyOf, pointsOf } from '../space/space.ts';
import type { Observation, Proposal } from './observation.ts';
import { Searcher, type SearcherOptions } from './searcher.ts';

const landscape = syntheticLandscape(4);
const { space } = landscape;
const top = { seed: 1, noise: 0.05 };
const options: SearcherOptions = {
  space,
  constraints: { loss: 'model' },
  proxy: (point) => ({ objective: landscape.proxy(point) }),
  seed: 5,
};

function runs(
  searcher: Searcher,
  most: number,
  rungs: number,
): { proposals: Proposal[]; results: Observation[] } {
  const proposals: Proposal[] = [];
  const results: Observation[] = [];
  for (let i = 0; i < most; i++) {
    const proposal = searcher.next(results);
    if (proposal === undefined) break;
    proposals.push(proposal);
    results.push(lookAt(landscape, proposal.point, proposal.rung, { ...top, top: rungs - 1 }));
  }
  return { proposals, results };
}

const text = ({ point, rung, why }: Proposal) => `${rung} ${keyOf(space, point)} ${why}`;

test('it finds the best of 704 points within 35 looks, and its bound is kept', () => {
  const searcher = new Searcher(options);
  const { results } = runs(searcher, 35, 1);
  const found = searcher.best(results)!;
  const able = [...pointsOf(space)].map((point) => landscape.truth(point)).filter(({ loss }) => loss <= 0);
  const best = Math.min(...able.map(({ objective }) => objective));
  assert.ok(landscape.truth(found.point).loss <= 0);
  assert.ok(best / found.objective! >= 0.95, `${found.objective} found, ${best} is there`);
});

test('replayed with the recorded results, every decision is the same; another seed decides otherwise', () => {
  const { proposals, results } = runs(new Searcher({ ...options, rungs: 2 }), 20, 2);
  for (let i = 0; i <= 19; i += 3) {
    const again = new Searcher({ ...options, rungs: 2 }).next(results.slice(0, i));
    assert.equal(text(again!), text(proposals[i]!));
  }
  const other = runs(new Searcher({ ...options, rungs: 2, seed: 6 }), 20, 2);
  assert.notDeepEqual(other.proposals.map(text), proposals.map(text));
});

test('two fidelities: few of the first looks go on, and they are the good ones', () => {
  const { proposals, results } = runs(new Searcher({ ...options, rungs: 2 }), 40, 2);
  const low = results.filter(({ rung }) => rung === 0);
  const high = results.filter(({ rung }) => rung === 1);
  assert.ok(high.length >= 5 && high.length <= low.length / 2, `${high.length} of ${low.length} went on`);
  const able = (list: readonly Observation[]) =>
    list.filter(({ point }) => landscape.truth(point).loss <= 0).length / list.length;
  assert.ok(
    able(high) > able(low) + 0.1,
    `${able(high)} of those that went on keep the bound, of all ${able(low)}`,
  );
  const keys = proposals.map(({ point, rung }) => `${rung} ${keyOf(space, point)}`);
  assert.equal(new Set(keys).size, keys.length, 'nothing is looked at twice at a rung');
});

test('given points come first; what cannot be paid for is never proposed; it ends when nothing is worth it', () => {
  const first: Point[] = [
    { size: 1, precision: 'float', instances: 1, batch: 1 },
    { size: 0.5, precision: 'float', instances: 2, batch: 64 },
  ];
  const seconds = ({ size }: Point) => (size === 0.12 ? Number.POSITIVE_INFINITY : 1);
  const { proposals } = runs(new Searcher({ ...options, first, seconds, tolerance: 0.05 }), 300, 1);
  assert.deepEqual(
    proposals.slice(0, 2).map(({ point }) => point),
    first,
  );
  assert.ok(proposals.every(({ point }) => point.size !== 0.12));
  assert.ok(proposals.length < 60, `${proposals.length} looks until a gain of 5 % is out of sight`);
  assert.equal(new Searcher({ ...options, seconds: () => Number.POSITIVE_INFINITY }).next([]), undefined);
});

test('where nothing keeps the bound, it goes where that is likeliest, and says that nothing was found', () => {
  const results = [...pointsOf(space)]
    .filter(({ precision }) => precision === 'dynamic')
    .slice(0, 12)
    .map((point) => ({ point, rung: 0, objective: 1, held: { loss: { value: 1, noise: 0.01 } } }));
  const searcher = new Searcher({ ...options, initial: 0 });
  assert.equal(searcher.best(results), undefined);
  assert.notEqual(searcher.next(results)!.point.precision, 'dynamic');
  const failed = { point: results[0]!.point, rung: 1, failed: 'it cannot be made' };
  assert.equal(searcher.best([failed]), undefined);
});
