import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ModicumError } from '../base/index.ts';
import { byteLengthOf, DTYPES, type DType, sizeOf } from '../graph/index.ts';
import type { Port } from '../run/index.ts';
import { canBatch, concreteShape, fixedBatch, randomFeeds } from './feeds.ts';

const silero: Port[] = [
  { name: 'input', dtype: 'float32', shape: ['N', 'samples'] },
  { name: 'state', dtype: 'float32', shape: [2, 'N', 128] },
  { name: 'sr', dtype: 'int64', shape: [] },
];

test('the batch is meant wherever its symbol stands, bound names come first, scalars stay scalars', () => {
  const feeds = randomFeeds(silero, { batch: 4, bindings: { samples: 512 } });
  assert.deepEqual(
    Object.values(feeds).map((tensor) => tensor.dims),
    [[4, 512], [2, 4, 128], []],
  );
  assert.equal(canBatch(silero), true);
  assert.deepEqual(concreteShape(silero[0]!, silero, { batch: 3, bindings: { N: 2 } }), [2, 1]);
});

test('a fixed first axis is kept and told', () => {
  const fixed: Port[] = [{ name: 'x', dtype: 'float32', shape: [8, 3, 32, 32] }];
  assert.equal(canBatch(fixed), false);
  assert.equal(fixedBatch(fixed), 8);
  assert.deepEqual(randomFeeds(fixed, { batch: 2 }).x!.dims, [8, 3, 32, 32]);
  assert.equal(fixedBatch([...fixed, { name: 'y', dtype: 'float32', shape: [3, 2] }]), 1);
});

test('integers stay in their range, masks are ones, the seed decides the values', () => {
  const ports: Port[] = [
    { name: 'ids', dtype: 'int64', shape: [null, 50] },
    { name: 'attention_mask', dtype: 'int64', shape: [null, 50] },
    { name: 'pixels', dtype: 'uint8', shape: [null, 400] },
  ];
  const feeds = randomFeeds(ports, { batch: 2, seed: 7, ranges: { ids: [5, 9] } });
  assert.deepEqual(new Set(feeds.ids!.numbers()), new Set([5, 6, 7, 8]));
  assert.deepEqual(new Set(feeds.attention_mask!.numbers()), new Set([1]));
  assert.ok(Math.max(...feeds.pixels!.numbers()) > 200);
  const again = randomFeeds(ports, { batch: 2, seed: 7, ranges: { ids: [5, 9] } });
  assert.deepEqual(again.pixels!.numbers(), feeds.pixels!.numbers());
  const other = randomFeeds(ports, { batch: 2, seed: 8 });
  assert.notDeepEqual(other.pixels!.numbers(), feeds.pixels!.numbers());
});

test('every dtype gets a tensor of the right size, and floats are finite', () => {
  const dtypes = Object.keys(DTYPES) as DType[];
  fc.assert(
    fc.property(
      fc.constantFrom(...dtypes),
      fc.array(fc.nat(5), { maxLength: 3 }),
      fc.integer(),
      (dtype, dims, seed) => {
        const tensor = randomFeeds([{ name: 'x', dtype, shape: dims }], { seed }).x!;
        assert.deepEqual(tensor.dims, dims);
        if (dtype === 'string') return assert.equal(tensor.strings().length, sizeOf(dims));
        assert.equal(tensor.bytes().byteLength, byteLengthOf(dtype, sizeOf(dims)));
        if (dtype === 'float32' || dtype === 'float64') assert.ok(tensor.numbers().every(Number.isFinite));
        if (dtype === 'float16')
          for (const bits of tensor.numbers()) assert.ok(bits >> 10 >= 13 && bits >> 10 <= 14);
        if (dtype === 'bool') assert.ok(tensor.numbers().every((value) => value === 0 || value === 1));
      },
    ),
    { seed: 1, numRuns: 300 },
  );
});

test('an unknown rank and sizes that are none are refused', () => {
  const code = (call: () => unknown) => {
    try {
      call();
    } catch (thrown) {
      return (thrown as ModicumError).code;
    }
    return undefined;
  };
  assert.equal(
    code(() => randomFeeds([{ name: 'x', dtype: 'float32', shape: undefined }])),
    'FEED_MISMATCH',
  );
  assert.equal(
    code(() => randomFeeds(silero, { batch: 0 })),
    'USAGE_BAD_OPTION',
  );
  assert.equal(
    code(() => randomFeeds(silero, { bindings: { samples: 1.5 } })),
    'USAGE_BAD_OPTION',
  );
});
