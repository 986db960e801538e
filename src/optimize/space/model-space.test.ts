import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../base/index.ts';
import { makeGraph, makeModel, makeNode, Tensor, tensorType } from '../../graph/index.ts';
import { firstPoints } from '../first-points.ts';
import { makeGoal } from '../goal.ts';
import { PASSES } from '../passes.ts';
import { defaultRunSettings } from '../settings.ts';
import { TECHNIQUES } from '../techniques.ts';
import { modelSpace, type SpaceFacts } from './model-space.ts';
import { proxyOf } from './proxy.ts';
import { candidateOf, settingsOf } from './recipe-of.ts';
import { assertSpace, keyOf, neighbours, samplePoint } from './space.ts';

const facts: SpaceFacts = {
  mix: { conv: 0.6, matmul: 0.4, recurrent: 0 },
  layers: 9,
  families: ['pruned', 'ds-cnn', 'shallower'],
  saturates: true,
  cores: 4,
  largestBatch: 64,
  providers: ['cpu', 'webgpu'],
  minimize: 'cost',
};
const times = { shape: 5, learned: 4 };

test('every point is a recipe of known passes with a title of its own, and settings that fit the cores', () => {
  const space = modelSpace(facts);
  assertSpace(space);
  const random = new Random(1);
  const titles = new Map<string, string>();
  for (let i = 0; i < 2000; i++) {
    const point = samplePoint(space, random);
    const found = {
      slow: [],
      sensitive: ['a', 'b', 'c', 'd', 'e'].slice(0, Number(point.kept ?? 0)),
      assignment: { a: 'int8' },
    };
    const { title, recipe, id } = candidateOf(point, times, found);
    for (const { pass } of recipe) assert.ok(pass in PASSES, pass);
    assert.match(id, /^[a-z0-9-]+$/);
    const key = JSON.stringify(recipe.map(({ pass, options }) => [pass, options]));
    assert.equal(titles.get(title) ?? key, key, `${title} names two recipes`);
    titles.set(title, key);
    const { instances, threads, batch } = settingsOf(point, defaultRunSettings(4));
    assert.ok(instances * threads <= 4 && batch <= 64);
    if (point.provider === 'webgpu') assert.equal(instances, 1);
  }
  assert.ok(titles.size > 300, `${titles.size} models`);
});

test('what is no choice is not in the space, and its technique says why', () => {
  const bare: SpaceFacts = {
    ...facts,
    mix: { conv: 1, matmul: 0, recurrent: 0 },
    families: [],
    layers: 1,
    saturates: false,
    cores: 1,
    largestBatch: 1,
    providers: ['cpu'],
    minimize: 'size',
    noExits: 'made',
  };
  const space = modelSpace(bare);
  const random = new Random(2);
  const points = Array.from({ length: 500 }, () => samplePoint(space, random));
  for (const technique of TECHNIQUES) {
    const used = points.some((point) => technique.uses(point));
    const absent = technique.absent(bare);
    assert.equal(used, absent === undefined, `${technique.name}: ${absent}`);
  }
  const rich = modelSpace(facts);
  const many = Array.from({ length: 4000 }, () => samplePoint(rich, random));
  for (const technique of TECHNIQUES.filter(
    ({ name }) => !['early exits', 'a cascade behind a smaller model'].includes(name),
  )) {
    if (technique.absent(facts) === undefined)
      assert.ok(
        many.some((point) => technique.uses(point)),
        technique.name,
      );
  }
});

test('latency is searched over threads, size over models alone; first points are of the space', () => {
  for (const minimize of ['latency', 'size', 'cost', 'energy'] as const) {
    const space = modelSpace({ ...facts, minimize });
    const first = firstPoints(space, { ...facts, minimize });
    assert.ok(first.length >= 3);
    for (const point of first) {
      assert.ok(space.allows!(point));
      assert.ok(neighbours(space, point).length > 0);
      assert.doesNotMatch(keyOf(space, point), /undefined/);
      if (minimize === 'size') assert.equal(keyOf(space, point, 'run'), '');
      if (minimize === 'latency') assert.ok(!('batch' in point) && !('instances' in point));
    }
  }
});

test('the cheap guess ranks by work, precision, samples a call and cores; worse roundings promise more loss', () => {
  const weight = Float32Array.from({ length: 4096 }, (_, i) => Math.sin(i));
  const model = makeModel(
    makeGraph({
      inputs: [{ name: 'x', type: tensorType('float32', [1, 64]) }],
      outputs: [{ name: 'y', type: tensorType('float32', [1, 64]) }],
      initializers: new Map([['w', Tensor.float32([64, 64], weight)]]),
      nodes: [makeNode('MatMul', ['x', 'w'], ['y'])],
    }),
  );
  const guess = proxyOf(model, facts, makeGoal({ metric: 'top1' }));
  const cost = (point: Parameters<typeof guess>[0]) => guess(point).objective;
  assert.ok(cost({ precision: 'static', batch: 16 }) < cost({ precision: 'float', batch: 16 }));
  assert.ok(cost({ batch: 16 }) < cost({ batch: 1 }));
  assert.ok(cost({ instances: 4 }) < cost({ threads: 4 }));
  assert.ok(
    cost({ family: 'pruned', share: 0.25, batch: 64 }) < cost({ family: 'pruned', share: 0.5, batch: 64 }),
  );
  const drop = (point: Parameters<typeof guess>[0]) => guess(point).held!.drop!;
  assert.ok(drop({ precision: 'weights4' }) > drop({ precision: 'static' }));
  assert.ok(drop({ precision: 'static', kept: 4 }) < drop({ precision: 'static', kept: 0 }));
  assert.ok(drop({ precision: 'static' }) > drop({}));
});
