import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Tensor } from '../graph/index.ts';
import { buffered, concatenate, fingerprint, inMemory, partOf, subset } from './index.ts';

function ramp(samples: number, start = 0) {
  const x = Tensor.float32(
    [samples, 2],
    Array.from({ length: samples * 2 }, (_, i) => start + i),
  );
  const labels = Tensor.of(
    'uint8',
    [samples],
    Uint8Array.from({ length: samples }, (_, i) => i % 3),
  );
  return inMemory({ x }, labels, { name: 'ramp' });
}

test('batches hold the samples in order, the last what is left', async () => {
  const seen: number[] = [];
  const sizes: number[] = [];
  for await (const { indices, feeds, labels } of ramp(7).read({ batch: 3 })) {
    sizes.push(indices.length);
    assert.deepEqual(feeds.x?.dims, [indices.length, 2]);
    assert.equal(labels?.dtype, 'int32');
    for (const [i, index] of indices.entries()) {
      assert.equal(feeds.x?.numbers()[i * 2], index * 2);
      assert.equal(labels?.numbers()[i], index % 3);
    }
    seen.push(...indices);
  }
  assert.deepEqual(sizes, [3, 3, 1]);
  assert.deepEqual(seen, [0, 1, 2, 3, 4, 5, 6]);
});

test('labels alone are read without fields', async () => {
  for await (const { feeds, labels } of ramp(4).read({ fields: [] })) {
    assert.deepEqual(feeds, {});
    assert.deepEqual(labels?.numbers(), [0, 1, 2, 0]);
  }
});

test('indices that do not ascend or are not there are refused', async () => {
  const read = async (indices: number[]) => {
    for await (const _ of ramp(4).read({ indices }));
  };
  await assert.rejects(read([2, 1]), { code: 'USAGE_BAD_OPTION' });
  await assert.rejects(read([1, 1]), { code: 'USAGE_BAD_OPTION' });
  await assert.rejects(read([4]), { code: 'USAGE_BAD_OPTION' });
});

test('tensors of different numbers of samples are refused, and none at all', () => {
  const x = Tensor.float32([2, 1], [1, 2]);
  const y = Tensor.float32([3, 1], [1, 2, 3]);
  assert.throws(() => inMemory({ x, y }), { code: 'DATA_SHAPE_MISMATCH' });
  assert.throws(() => inMemory({ x }, Tensor.int64([3], [1, 2, 3])), { code: 'DATA_SHAPE_MISMATCH' });
  assert.throws(() => inMemory({ x: Tensor.float32([0, 1], []) }), { code: 'DATA_EMPTY' });
});

test('subsets and their concatenation are the samples that were chosen, whatever the batch', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.nat(19), { minLength: 1 }),
      fc.uniqueArray(fc.nat(19), { minLength: 1 }),
      fc.integer({ min: 1, max: 9 }),
      async (a, b, batch) => {
        const both = concatenate([subset(ramp(20), a), subset(ramp(20), b)]);
        const expected = [...[...a].sort((p, q) => p - q), ...[...b].sort((p, q) => p - q)];
        const seen: number[] = [];
        const numbers: number[] = [];
        for await (const { indices, feeds } of both.read({ batch })) {
          numbers.push(...indices);
          for (let i = 0; i < indices.length; i++) seen.push((feeds.x?.numbers()[i * 2] ?? -1) / 2);
          assert.ok(indices.length === batch || numbers.length === both.size);
        }
        assert.deepEqual(seen, expected);
        assert.deepEqual(numbers, [...expected.keys()]);
      },
    ),
    { seed: 7, numRuns: 40 },
  );
});

test('datasets of different fields are not concatenated', () => {
  const other = inMemory({ x: Tensor.float32([2, 3], [1, 2, 3, 4, 5, 6]) });
  assert.throws(() => concatenate([ramp(2), other]), { code: 'DATA_SHAPE_MISMATCH' });
});

test('a subset keeps the parts of the data, under its own numbers', () => {
  const x = Tensor.float32([6], [0, 1, 2, 3, 4, 5]);
  const parts = { train: Uint32Array.of(0, 1, 2), test: Uint32Array.of(3, 4, 5) };
  const some = subset(inMemory({ x }, undefined, { parts }), [1, 3, 5]);
  assert.deepEqual(some.parts?.test, Uint32Array.of(1, 2));
  assert.equal(partOf(some, 'train').size, 1);
  assert.throws(() => partOf(some, 'dev'), { code: 'USAGE_BAD_OPTION' });
});

test('the fingerprint changes with the last sample and the number of them, and else stays', async () => {
  const print = await fingerprint(ramp(5));
  assert.match(print, /^[0-9a-f]{64}$/);
  assert.equal(await fingerprint(ramp(5)), print);
  assert.notEqual(await fingerprint(ramp(6)), print);
  assert.notEqual(await fingerprint(ramp(5, 1)), print);
});

test('a buffered dataset is the same, read once; one too large stays as it is', async () => {
  let reads = 0;
  const source = ramp(70);
  const counted = {
    ...source,
    read(options?: Parameters<typeof source.read>[0]) {
      reads++;
      return source.read(options);
    },
  };
  const held = await buffered(counted);
  assert.equal(await fingerprint(held), await fingerprint(source));
  for await (const { feeds, labels } of held.read({ indices: [69] })) {
    assert.deepEqual([feeds.x?.numbers(), labels?.numbers()], [[138, 139], [0]]);
  }
  assert.equal(reads, 1);
  assert.equal(await buffered(counted, { most: 100 }), counted);
});
