import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PRUNE_NETS } from '../../../test/prune-nets.ts';
import { inMemory } from '../../data/index.ts';
import { costOf, parseText, printText, Tensor } from '../../graph/index.ts';
import { activationImportance } from './activation-importance.ts';
import { cutUnits } from './cut-units.ts';
import { pruneGroups } from './groups.ts';
import { planCut, planForMacs } from './plan.ts';
import { unitScores, valueScores, weightImportance } from './scores.ts';

const TWO_LAYERS = parseText(`<ir_version: 8, opset_import: ["": 17]>
g (float[N, 2] x) => (float[N, 1] y)
<float[2, 4] w = {1, 0, 4, 0, 1, 2, -4, 0}, float[4] b = {9, 9, 9, 9}, float[4, 1] v = {1, 1, 1, 1}>
{
  [first] a = MatMul(x, w)
  c = Add(a, b)
  d = Relu(c)
  [second] y = MatMul(d, v)
}`);

test('scores are those worked out by hand, with mean 1', () => {
  const groups = pruneGroups(TWO_LAYERS);
  const near = (found: Float64Array | undefined, wanted: number[]) => {
    assert.deepEqual(
      Array.from(found!, (value) => Math.round(value * 1e6) / 1e6),
      wanted,
    );
  };
  // Columns of w: 1, 1, 4, 0 on average (mean 1.5); rows of v: 1 each.
  near(weightImportance(TWO_LAYERS, groups, 'l1').get('w[1]'), [0.833333, 0.833333, 1.833333, 0.5]);
  const roots = [1, Math.SQRT2, 4, 0];
  const mean = roots.reduce((a, b) => a + b) / 4;
  near(
    weightImportance(TWO_LAYERS, groups, 'l2').get('w[1]'),
    roots.map((root) => Math.round(((root / mean + 1) / 2) * 1e6) / 1e6),
  );
  // Sums over both layers: 2 + 1, 2 + 2, 8 + 3, 0 + 4.
  const elements = (name: string) =>
    name === 'v' ? [1, 2, 3, 4] : name === 'w' ? [1, 0, 4, 0, 1, 2, 4, 0] : undefined;
  near(
    unitScores(TWO_LAYERS, groups, elements, 'sum').get('w[1]'),
    [3 / 5.5, 4 / 5.5, 2, 4 / 5.5].map((v) => Math.round(v * 1e6) / 1e6),
  );
  near(valueScores(groups, new Map([['d', { axis: 1, scores: [0, 1, 2, 1] }]])).get('w[1]'), [0, 1, 2, 1]);
  assert.throws(() => unitScores(TWO_LAYERS, groups, () => [1, 2], 'sum'), /has 8 elements, not 2/);
  assert.throws(() => valueScores(groups, new Map([['d', { axis: 1, scores: [1] }]])), /4 indices, not 1/);
});

test('what units give to their readers is weighed by their activations', async () => {
  const groups = pruneGroups(TWO_LAYERS);
  const model = parseText(printText(TWO_LAYERS));
  model.graph.initializers.set('v', Tensor.float32([4, 1], [1, 1, -2, 1]));
  const data = inMemory({ x: Tensor.float32([2, 2], [1, 0, 0, 1]) });
  // Behind the Relu: 10, 9, 13, 9 and 10, 11, 5, 9.
  const roots = [10, Math.sqrt(101), 2 * Math.sqrt(97), 9];
  const mean = roots.reduce((a, b) => a + b) / 4;
  const found = (await activationImportance(model, groups, data)).get('w[1]')!;
  for (const [i, root] of roots.entries()) assert.ok(Math.abs(found[i]! - root / mean) < 1e-6, `${found}`);
});

test('the least important units go first, and MACs are as planned', () => {
  const groups = pruneGroups(TWO_LAYERS);
  const plan = planCut(groups, weightImportance(TWO_LAYERS, groups, 'l1'), {
    ratio: 0.5,
    target: 'channels',
  });
  assert.deepEqual([...plan.cut], [['w[1]', [0, 3]]]);
  assert.deepEqual(
    [plan.units, plan.unitsBefore, plan.macs, plan.macsBefore, plan.reached],
    [2, 4, 6, 12, true],
  );
});

test('plans meet their target, and costOf agrees', () => {
  for (const [name, make] of Object.entries(PRUNE_NETS)) {
    const model = make(3, 1);
    const groups = pruneGroups(model);
    const scores = weightImportance(model, groups, 'l2');
    for (const scope of ['global', 'uniform'] as const) {
      for (const ratio of [0.25, 0.5]) {
        const plan = planCut(groups, scores, { ratio, target: 'macs', scope });
        const small = costOf(cutUnits(model, groups, plan.cut)).total.macs;
        assert.ok(
          Math.abs(small - plan.macs) <= 0.001 * plan.macs,
          `${name}: ${small} MACs, not ${plan.macs}`,
        );
        if (plan.reached) assert.ok(plan.macs <= (1 - ratio) * plan.macsBefore + 1e-6, name);
        assert.ok(plan.cut.size > 0, name);
      }
      const some = planForMacs(groups, scores, 0.8 * groups.macs.total, { scope });
      assert.ok(
        some.macs <= 0.8 * some.macsBefore && some.macs > 0.4 * some.macsBefore,
        `${name}: ${some.macs / some.macsBefore}`,
      );
    }
  }
});

test('limits hold: rounding, fewest units, most of a group, exclusions', () => {
  const model = PRUNE_NETS.attention!(1);
  const groups = pruneGroups(model);
  const scores = weightImportance(model, groups, 'l1');
  const left = (limits: Partial<Parameters<typeof planCut>[2]>) => {
    const plan = planCut(groups, scores, { ratio: 0.99, target: 'macs', ...limits });
    assert.equal(plan.reached, false);
    return groups.groups
      .filter(({ pinned }) => pinned === undefined)
      .map(({ id, units, width }) => ({ units, width, kept: units - (plan.cut.get(id)?.length ?? 0) }));
  };
  // The stream, heads of 4, insides of heads, and the wide layer.
  assert.deepEqual(
    left({ maxRatio: 1 }).map(({ kept }) => kept),
    [1, 1, 1, 1, 1],
  );
  assert.deepEqual(
    left({ maxRatio: 0.5 }).map(({ kept }) => kept),
    [6, 2, 2, 2, 8],
  );
  assert.deepEqual(
    left({ maxRatio: 1, minUnits: 3 }).map(({ kept }) => kept),
    [3, 3, 3, 3, 3],
  );
  // Two heads of 4 are a multiple of 8; a layer of 4 is smaller than 8 and keeps what it is told.
  assert.deepEqual(
    left({ maxRatio: 0.8, roundTo: 8 }).map(({ kept }) => kept),
    [8, 2, 1, 1, 8],
  );
  const spared = planCut(groups, scores, { ratio: 0.2, target: 'macs', exclude: ['w4[1]*', 'MatMul_39'] });
  const whole = [...spared.cut.keys()].filter((id) => id.startsWith('w4[') || id.startsWith('w38['));
  assert.ok(whole.length === 0 && spared.cut.size > 0, whole.join());
});

test('options that make no sense, and models that cannot be pruned, are refused', () => {
  const groups = pruneGroups(TWO_LAYERS);
  const scores = weightImportance(TWO_LAYERS, groups, 'l1');
  const refused = (options: object, why: RegExp) =>
    assert.throws(() => planCut(groups, scores, { ratio: 0.5, target: 'macs', ...options }), why);
  refused({ ratio: 1 }, /ratio 1 is not within/);
  refused({ ratio: Number.NaN }, /ratio NaN/);
  refused({ roundTo: 0 }, /roundTo 0/);
  refused({ maxRatio: 2 }, /maxRatio 2/);
  refused({ exclude: ['first'] }, /Nothing in the model can be pruned/);
  assert.throws(() => planForMacs(groups, scores, 0), /0 MACs/);
});
