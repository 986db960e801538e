import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Random } from '../base/index.ts';
import { Tensor } from '../graph/index.ts';
import { type Dataset, inMemory, split } from './index.ts';

/** `samples` rows whose values repeat every `distinct`, with classes of unequal sizes. */
function data(samples: number, distinct = samples): Dataset {
  const x = Tensor.float32(
    [samples, 1],
    Array.from({ length: samples }, (_, i) => i % distinct),
  );
  const random = new Random(3);
  const labels = BigInt64Array.from({ length: samples }, () => BigInt(Math.floor(random.uniform() ** 2 * 4)));
  return inMemory({ x }, Tensor.of('int64', [samples], labels));
}

async function values(dataset: Dataset): Promise<number[]> {
  const seen: number[] = [];
  for await (const { feeds } of dataset.read()) seen.push(...(feeds.x?.numbers() ?? []));
  return seen;
}

test('every sample is in exactly one part, of the sizes that were asked for', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 3, max: 200 }), fc.integer(), async (size, seed) => {
      const parts = await split(data(size), { seed });
      const { calibration, search, heldOut } = parts.indices;
      const all = [...calibration, ...search, ...heldOut].sort((a, b) => a - b);
      assert.deepEqual(all, [...Array(size).keys()]);
      assert.equal(calibration.length, Math.max(1, Math.floor(size / 5)));
      assert.equal(search.length, Math.max(1, Math.floor(0.3 * size)));
    }),
    { seed: 11, numRuns: 60 },
  );
});

test('the seed decides, and the parts read what their indices say', async () => {
  const one = await split(data(50), { seed: 1 });
  assert.deepEqual(one.indices, (await split(data(50), { seed: 1 })).indices);
  assert.notDeepEqual(one.indices, (await split(data(50), { seed: 2 })).indices);
  assert.deepEqual(await values(one.heldOut), Array.from(one.indices.heldOut));
  assert.match(one.rule, /50 samples shuffled within each class with seed 1/);
  assert.match(one.rule, /10 to calibrate, 15 to search, 25 held out/);
});

test('every part has its share of every class', async () => {
  const dataset = data(1000);
  const share = async (part: Dataset) => {
    const counts = [0, 0, 0, 0];
    for await (const { labels } of part.read()) for (const n of labels?.numbers() ?? []) counts[n]!++;
    return counts.map((count) => count / part.size);
  };
  const whole = await share(dataset);
  const parts = await split(dataset, { seed: 5 });
  for (const part of [parts.calibration, parts.search, parts.heldOut]) {
    for (const [cls, part_] of (await share(part)).entries()) {
      assert.ok(Math.abs(part_ - whole[cls]!) < 2.5 / part.size, `class ${cls}: ${part_} of ${whole[cls]}`);
    }
  }
});

test('equal samples stay together', async () => {
  const parts = await split(data(120, 40), { seed: 9 });
  const seen = [parts.calibration, parts.search, parts.heldOut].map(values);
  const [a, b, c] = (await Promise.all(seen)).map((list) => new Set(list));
  assert.equal(a!.size + b!.size + c!.size, 40);
  assert.match(parts.rule, /40 distinct/);
  const apart = await split(data(120, 40), { seed: 9, dedupe: false });
  const loose = [apart.calibration, apart.search, apart.heldOut].map(values);
  const total = (await Promise.all(loose)).reduce((sum, list) => sum + new Set(list).size, 0);
  assert.ok(total > 40, 'without dedupe equal samples are in several parts');
});

test('sizes may be numbers or shares; too few samples are refused', async () => {
  const parts = await split(data(100), { seed: 0, calibration: 0.1, search: 7, heldOut: 20 });
  assert.deepEqual([parts.calibration.size, parts.search.size, parts.heldOut.size], [10, 7, 20]);
  assert.match(parts.rule, /63 unused/);
  assert.equal((await split(data(100), { seed: 0, calibration: 0 })).calibration.size, 0);
  await assert.rejects(split(data(10), { seed: 0, calibration: 5, search: 5, heldOut: 1 }), {
    code: 'DATA_TOO_FEW',
  });
  await assert.rejects(split(data(2), { seed: 0 }), { code: 'DATA_TOO_FEW' });
  await assert.rejects(split(data(20, 2), { seed: 0 }), { code: 'DATA_TOO_FEW' });
  await assert.rejects(split(data(10), { seed: 0, search: 1.5 }), { code: 'USAGE_BAD_OPTION' });
});

test('data without labels is shuffled as a whole', async () => {
  const dataset = inMemory({
    x: Tensor.float32(
      [30],
      Array.from({ length: 30 }, (_, i) => i),
    ),
  });
  assert.match((await split(dataset, { seed: 4 })).rule, /as a whole/);
});
