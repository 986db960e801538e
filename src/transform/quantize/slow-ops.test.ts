import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { convNet, normalData, normals } from '../../../test/quantize-nets.ts';
import { Random, SILENT } from '../../base/index.ts';
import { MinCut } from './min-cut.ts';
import { quantizableNodes } from './quantizable.ts';
import { findSlowNodes } from './slow-ops.ts';
import { STATIC_DEFAULTS, staticQuantization } from './static.ts';

test('the cut is the cheapest of all divisions', () => {
  const edge = fc.tuple(fc.nat(6), fc.nat(6), fc.integer({ min: 0, max: 9 }));
  fc.assert(
    fc.property(fc.array(edge, { maxLength: 20 }), (edges) => {
      const cut = new MinCut();
      for (let i = 0; i < 5; i++) cut.node();
      for (const [from, to, capacity] of edges) cut.edge(from, to, capacity);
      const cost = (side: readonly boolean[]) =>
        edges.reduce((sum, [from, to, capacity]) => sum + (side[from] && !side[to] ? capacity : 0), 0);
      let least = Number.POSITIVE_INFINITY;
      for (let bits = 0; bits < 32; bits++) {
        const side = [true, false, ...Array.from({ length: 5 }, (_, i) => ((bits >> i) & 1) === 1)];
        least = Math.min(least, cost(side));
      }
      const found = cut.solve();
      assert.ok(found[cut.source] && !found[cut.sink]);
      assert.equal(cost(found), least);
    }),
    { seed: 1, numRuns: 300 },
  );
});

test('times are found for every place, in both variants', async () => {
  const float = convNet(3);
  const context = { progress: SILENT, seed: 1, calibration: normalData([3, 16, 16], 8) };
  const { model } = await staticQuantization.apply(float, STATIC_DEFAULTS, context);
  const feeds = { x: normals(new Random(1), [2, 3, 16, 16]) };
  const slow = await findSlowNodes(float, model, feeds, { settings: { threads: 1 }, runs: 9 });
  const heavy = slow.times.filter(({ op }) => op === 'Conv' || op === 'Gemm');
  assert.equal(heavy.length, 6);
  for (const { node, float: f, integer } of heavy)
    assert.ok(f > 0 && integer > 0, `${node}: ${f} and ${integer} us`);
  const known = quantizableNodes(float).map(({ name }) => name);
  for (const name of slow.exclude) assert.ok(known.includes(name));
});

test('with integers that can never win all is excluded, with integers that cannot lose nothing is', async () => {
  const float = convNet(3);
  const context = { progress: SILENT, seed: 1, calibration: normalData([3, 16, 16], 8) };
  const { model } = await staticQuantization.apply(float, STATIC_DEFAULTS, context);
  const feeds = { x: normals(new Random(1), [2, 3, 16, 16]) };
  const all = { settings: { threads: 1 }, runs: 3 };
  const never = await findSlowNodes(float, model, feeds, { ...all, margin: 1e6 });
  assert.deepEqual(
    new Set(never.exclude.filter((name) => /Conv|Gemm/.test(name))),
    new Set(
      quantizableNodes(float)
        .filter(({ kind }) => kind === 'compute')
        .map(({ name }) => name),
    ),
  );
  const always = await findSlowNodes(float, model, feeds, { ...all, margin: -1 });
  assert.deepEqual(always.exclude, []);
});
