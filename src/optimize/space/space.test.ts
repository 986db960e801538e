import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ModicumError, Random } from '../../base/index.ts';
import type { Space } from './dimension.ts';
import { assertSpace, complete, keyOf, neighbours, pointsOf, samplePoint, sizeOf } from './space.ts';

const space: Space = {
  dimensions: [
    { name: 'kind', says: '', values: ['float', 'int8'], ordered: false, kind: 'model' },
    {
      name: 'bits',
      says: '',
      values: [8, 7, 4],
      ordered: true,
      kind: 'model',
      when: [{ dimension: 'kind', in: ['int8'] }],
    },
    { name: 'threads', says: '', values: [1, 2, 4], ordered: true, kind: 'run' },
    { name: 'instances', says: '', values: [1, 2, 4], ordered: true, kind: 'run' },
  ],
  allows: ({ threads, instances }) => Number(threads) * Number(instances) <= 4,
};

test('points are counted by hand: conditions drop dimensions, the space forbids combinations', () => {
  // Of nine pairs of threads and instances 6 keep to four cores; float has one kind, int8 three.
  assert.equal(sizeOf(space), 6 * 4);
  assert.equal(sizeOf(space, 5), 5);
  const keys = [...pointsOf(space)].map((point) => keyOf(space, point));
  assert.equal(new Set(keys).size, 24);
  assert.equal(keys[0], 'kind=float threads=1 instances=1');
  assert.ok(keys.includes('kind=int8 bits=4 threads=2 instances=2'));
  assert.ok(!keys.some((key) => key.includes('float bits')));
});

test('a key does not depend on the order of the object, and has a part for the model alone', () => {
  const point = { instances: 1, threads: 2, bits: 7, kind: 'int8' };
  assert.equal(keyOf(space, point), 'kind=int8 bits=7 threads=2 instances=1');
  assert.equal(keyOf(space, point, 'model'), 'kind=int8 bits=7');
  assert.equal(keyOf(space, point, 'run'), 'threads=2 instances=1');
});

test('neighbours differ in one choice and are allowed', () => {
  const keys = neighbours(space, { kind: 'int8', bits: 7, threads: 2, instances: 2 }).map((point) =>
    keyOf(space, point),
  );
  assert.deepEqual(keys, [
    'kind=float threads=2 instances=2',
    'kind=int8 bits=8 threads=2 instances=2',
    'kind=int8 bits=4 threads=2 instances=2',
    'kind=int8 bits=7 threads=1 instances=2',
    'kind=int8 bits=7 threads=2 instances=1',
  ]);
  const [first] = neighbours(space, { kind: 'float', threads: 1, instances: 1 });
  assert.deepEqual(first, { kind: 'int8', bits: 8, threads: 1, instances: 1 });
});

test('complete drops what is not there and fills in first values', () => {
  assert.deepEqual(complete(space, { kind: 'float', bits: 4 }), { kind: 'float', threads: 1, instances: 1 });
  assert.deepEqual(complete(space, { kind: 'int8', bits: 5, threads: 4 }), {
    kind: 'int8',
    bits: 8,
    threads: 4,
    instances: 1,
  });
});

test('drawn points are points of the space, by seed', () => {
  const all = new Set([...pointsOf(space)].map((point) => keyOf(space, point)));
  const draw = (seed: number) => {
    const random = new Random(seed);
    return Array.from({ length: 200 }, () => keyOf(space, samplePoint(space, random)));
  };
  for (const key of draw(1)) assert.ok(all.has(key), key);
  assert.deepEqual(draw(1), draw(1));
  assert.notDeepEqual(draw(1), draw(2));
  assert.equal(new Set(draw(1)).size, 24);
});

test('spaces that are none are refused', () => {
  const refused = (more: Space['dimensions'], why: RegExp) =>
    assert.throws(
      () => assertSpace({ dimensions: [...space.dimensions, ...more] }),
      (thrown) =>
        thrown instanceof ModicumError &&
        thrown.code === 'OPTIMIZE_SPACE_INVALID' &&
        why.test(thrown.message),
    );
  assertSpace(space);
  const base = { says: '', values: [1], ordered: false, kind: 'run' } as const;
  refused([{ ...base, name: 'bits' }], /twice/);
  refused([{ ...base, name: 'x', values: [] }], /no values/);
  refused([{ ...base, name: 'x', values: [1, 1] }], /value twice/);
  refused([{ ...base, name: 'x', when: [{ dimension: 'y', in: [1] }] }], /no earlier/);
  refused([{ ...base, name: 'x', when: [{ dimension: 'bits', in: [3] }] }], /never is/);
  assert.throws(() => samplePoint({ ...space, allows: () => false }, new Random(0)), /none is allowed/);
});
