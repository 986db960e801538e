import assert from 'node:assert/strict';
import { test } from 'node:test';
import { convNet } from '../../test/quantize-nets.ts';
import { Random } from '../base/index.ts';
import { type MixLayer, mixLayers } from '../transform/index.ts';
import { assignmentFront } from './assignment-front.ts';
import type { RatedLayer } from './choices.ts';
import { type Crossing, conversionTime, crossingsOf } from './crossings.ts';
import { type Conversions, costWith, polish } from './polish.ts';

/** A chain of layers: times in fp32 and int8, harms in int8. */
function chain(times: readonly (readonly [number, number])[], harms: readonly number[], elements = 1000) {
  const layers: MixLayer[] = times.map((_, i) => ({
    id: `l${i}`,
    nodes: [`l${i}`],
    tail: [],
    op: 'Conv',
    precisions: ['fp32', 'int8'],
    weights: 1,
  }));
  const rated: RatedLayer[] = layers.map((layer, i) => ({
    layer,
    choices: [
      { precision: 'fp32', cost: times[i]![0], harm: 0 },
      { precision: 'int8', cost: times[i]![1], harm: harms[i]! },
    ],
    sensitivity: [],
    speed: [],
  }));
  const crossings: Crossing[] = layers
    .slice(1)
    .map(({ id }, i) => ({ value: `v${i}`, from: `l${i}`, to: [id], elements }));
  return { rated, crossings };
}

test('a layer that gains less than two conversions cost goes with its neighbours', () => {
  const { rated, crossings } = chain(
    [
      [10, 4],
      [10, 9],
      [10, 4],
      [10, 4],
      [10, 9],
    ],
    [1, 1, 1, 1, 1],
  );
  const free = { crossings, scale: 0 };
  const costly = { crossings, scale: 1 };
  assert.deepEqual(polish(rated, [0, 0, 0, 0, 0], 5, free).picks, [1, 1, 1, 1, 1]);
  // By the knapsack three of five; with conversions of 3 each a row of them is better than all by themselves.
  const start = [1, 0, 1, 1, 0];
  assert.equal(costWith(rated, start, free), 32);
  assert.equal(costWith(rated, start, costly), 41);
  assert.deepEqual(polish(rated, start, 4, costly).picks, [1, 1, 1, 1, 0]);
  assert.deepEqual(polish(rated, start, 3, costly).picks, start, 'here every change costs more');
});

test('never worse than where it began, and within the budget; on small chains nearly always the best there is', () => {
  const random = new Random(9);
  let best = 0;
  const trials = 60;
  for (let trial = 0; trial < trials; trial++) {
    const times = Array.from(
      { length: 8 },
      () => [10 + 10 * random.uniform(), 5 + 10 * random.uniform()] as const,
    );
    const harms = times.map(() => random.uniform());
    const { rated, crossings } = chain(times, harms, 1000 * random.uniform());
    const conversions: Conversions = { crossings, scale: 1 + 3 * random.uniform() };
    const budget = 2.5;
    const start = times.map(() => 0);
    const found = polish(rated, start, budget, conversions);
    assert.ok(found.harm <= budget + 1e-9);
    assert.ok(Math.abs(found.cost - costWith(rated, found.picks, conversions)) < 1e-9);
    let least = Number.POSITIVE_INFINITY;
    for (let mask = 0; mask < 256; mask++) {
      const picks = times.map((_, i) => (mask >> i) & 1);
      const harm = picks.reduce((sum, pick, i) => sum + pick * harms[i]!, 0);
      if (harm <= budget) least = Math.min(least, costWith(rated, picks, conversions));
    }
    assert.ok(found.cost <= costWith(rated, start, conversions) && found.cost >= least - 1e-9);
    if (found.cost < least + 1e-6) best++;
    const front = assignmentFront(rated, conversions);
    for (let i = 1; i < front.length; i++) {
      assert.ok(front[i]!.cost >= front[i - 1]!.cost && front[i]!.harm < front[i - 1]!.harm);
    }
  }
  assert.ok(best > 0.6 * trials, `${best} of ${trials}`);
});

test('values that cross from layer to layer, with their sizes; a value is converted once for all its readers', () => {
  const model = convNet();
  const layers = mixLayers(model);
  const crossings = crossingsOf(model, layers, { x: [2, 3, 16, 16] });
  const ids = layers.map(({ id }) => id);
  const first = crossings.filter(({ from }) => from === ids[0]);
  assert.equal(first.length, 1, 'what the pooling makes, which goes with the first layer');
  assert.equal(first[0]!.elements, 2 * 16 * 8 * 8);
  assert.deepEqual(
    [...first[0]!.to].sort(),
    [ids[1], ids[2]].sort(),
    'the next convolution, and the Add behind the third',
  );
  assert.equal(
    conversionTime(crossings, () => 'int8'),
    0,
  );
  assert.equal(
    conversionTime(crossings, (id) => (id === ids[0] ? 'int8' : 'fp32')),
    1 + 0.002 * 2048,
  );
  assert.equal(
    conversionTime(crossings, (id) => (id === ids[0] ? 'fp32' : 'int4')),
    0,
    'activations of 4-bit weights are float32',
  );
});
