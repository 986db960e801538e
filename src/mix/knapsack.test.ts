import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../base/index.ts';
import { type Choice, cheapestWithin, frontOf, sumOf } from './knapsack.ts';

/** All choices, one after the other. */
function bruteForce(layers: readonly (readonly Choice[])[], budget: number): number | undefined {
  const go = (layer: number, cost: number, harm: number): number => {
    if (harm > budget) return Number.POSITIVE_INFINITY;
    if (layer === layers.length) return cost;
    return Math.min(...layers[layer]!.map((choice) => go(layer + 1, cost + choice.cost, harm + choice.harm)));
  };
  const least = go(0, 0, 0);
  return Number.isFinite(least) ? least : undefined;
}

/** Whole numbers, so that sums are exact; ties and dominated choices are common. */
function randomLayers(random: Random, layers: number, choices: number, top = 30): Choice[][] {
  return Array.from({ length: layers }, () =>
    Array.from({ length: 1 + random.below(choices) }, () => ({
      cost: random.below(top) - 5,
      harm: random.uniform() < 0.05 ? Number.POSITIVE_INFINITY : random.below(top),
    })).concat({ cost: 20 + random.below(top), harm: random.below(5) }),
  );
}

test('as cheap as every choice tried, on random instances and budgets', () => {
  const random = new Random(1);
  let infeasible = 0;
  for (let trial = 0; trial < 300; trial++) {
    const layers = randomLayers(random, 1 + random.below(6), 4);
    const budget = random.below(20 * layers.length);
    const solution = cheapestWithin(layers, budget);
    const wanted = bruteForce(layers, budget);
    assert.equal(solution?.cost, wanted, `trial ${trial}`);
    if (solution === undefined) {
      infeasible++;
      continue;
    }
    assert.ok(solution.exact && solution.harm <= budget);
    assert.deepEqual(sumOf(layers, solution.picks), { cost: solution.cost, harm: solution.harm });
  }
  assert.ok(infeasible > 0 && infeasible < 150, 'some of the budgets are too small');
});

test('a greedy choice by ratio would be wrong here, this is not', () => {
  const layer = (cost: number, harm: number): Choice[] => [
    { cost: 10, harm: 0 },
    { cost, harm },
  ];
  // By saved cost per harm the first goes first (9 for 6), and then neither of the others fits.
  const layers = [layer(1, 6), layer(3, 5), layer(3, 5)];
  assert.deepEqual(cheapestWithin(layers, 10)?.picks, [0, 1, 1]);
});

test('eighty layers of four precisions in real numbers take a second, not years', () => {
  const random = new Random(3);
  const layers = Array.from({ length: 80 }, () => {
    const size = Math.exp(3 * random.normal());
    const fragile = Math.exp(3 * random.normal());
    return [
      { cost: size, harm: 0 },
      { cost: size * (0.6 + 0.1 * random.uniform()), harm: 1e-3 * fragile * random.uniform() },
      { cost: size * (0.3 + 0.1 * random.uniform()), harm: fragile * random.uniform() },
      { cost: size * (0.2 + 0.1 * random.uniform()), harm: 10 * fragile * random.uniform() },
    ];
  });
  for (const share of [0.001, 0.01, 0.1]) {
    const all = layers.reduce((sum, choices) => sum + choices[3]!.harm, 0);
    const solution = cheapestWithin(layers, share * all);
    assert.ok(solution?.exact);
    assert.ok(solution.harm <= share * all * (1 + 1e-9));
    // Neighbours that change one layer cannot be cheaper.
    for (const [layer, choices] of layers.entries()) {
      for (const [pick, choice] of choices.entries()) {
        const now = choices[solution.picks[layer]!]!;
        if (solution.harm - now.harm + choice.harm > share * all) continue;
        assert.ok(choice.cost >= now.cost, `layer ${layer} could take ${pick}`);
      }
    }
  }
});

test('with few states kept the answer says how far it may be off', () => {
  const random = new Random(5);
  let inexact = 0;
  for (let trial = 0; trial < 60; trial++) {
    const layers = randomLayers(random, 6, 4, 1000);
    const budget = 1500;
    const wanted = bruteForce(layers, budget);
    const solution = cheapestWithin(layers, budget, { states: 2 });
    if (solution === undefined || wanted === undefined) {
      assert.equal(solution?.cost, wanted);
      continue;
    }
    assert.ok(solution.cost - wanted <= solution.gap + 1e-6, `${solution.cost} - ${wanted}`);
    if (!solution.exact) inexact++;
  }
  assert.ok(inexact > 0);
});

test('a front falls in harm and rises in cost, from the cheapest to the least harmful', () => {
  const layers = [1, 2, 3, 4, 5].map((size) => [
    { cost: 4 * size, harm: 0 },
    { cost: 2 * size, harm: 1 / size },
    { cost: size, harm: 10 / size },
  ]);
  const front = frontOf(layers, { count: 12 });
  assert.deepEqual(front[0]!.picks, [2, 2, 2, 2, 2]);
  assert.deepEqual(front.at(-1)!.picks, [0, 0, 0, 0, 0]);
  assert.ok(front.length > 4);
  for (let i = 1; i < front.length; i++) {
    assert.ok(front[i]!.harm < front[i - 1]!.harm && front[i]!.cost > front[i - 1]!.cost);
  }
});

test('what makes no sense is refused', () => {
  assert.throws(() => cheapestWithin([[]], 1), { code: 'INTERNAL' });
  assert.throws(() => cheapestWithin([[{ cost: 1, harm: Number.NaN }]], 1), { code: 'INTERNAL' });
  assert.throws(() => cheapestWithin([[{ cost: Number.POSITIVE_INFINITY, harm: 1 }]], 1), {
    code: 'INTERNAL',
  });
  assert.equal(cheapestWithin([[{ cost: 1, harm: 2 }]], 1), undefined);
  assert.deepEqual(cheapestWithin([], 0)?.picks, []);
});
