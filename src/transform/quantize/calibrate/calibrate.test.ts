import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { convNet, mlp, normalData, normals } from '../../../../test/quantize-nets.ts';
import { ModicumError, Random } from '../../../base/index.ts';
import { bind, inMemory } from '../../../data/index.ts';
import { openSession } from '../../../run/index.ts';
import { paramsOf, quantizeOne } from '../numbers.ts';
import { calibrationValues } from '../static.ts';
import { BINS, Histogram } from './histogram.ts';
import { exposed, observe } from './observe.ts';
import { CALIBRATORS, type CalibrationMethod } from './ranges.ts';
import { calibrate, collectStatistics, rangesFrom } from './statistics.ts';

const floats = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 }), {
  minLength: 1,
  maxLength: 400,
});

test('a histogram does not depend on the order and the batches of its values', () => {
  fc.assert(
    fc.property(floats, fc.integer({ min: 1, max: 50 }), fc.nat(), (values, width, seed) => {
      const whole = new Histogram();
      whole.add(Float32Array.from(values));
      const parts = new Histogram();
      const shuffled = new Random(seed).shuffle([...values]);
      for (let i = 0; i < values.length; i += width)
        parts.add(Float32Array.from(shuffled.slice(i, i + width)));
      assert.deepEqual(
        [parts.total, parts.zeros, parts.min, parts.max],
        [whole.total, whole.zeros, whole.min, whole.max],
      );
      assert.deepEqual([...parts.bins()], [...whole.bins()]);
    }),
    { seed: 1 },
  );
});

test('every value is in its bin, and memory is the same for any number', () => {
  fc.assert(
    fc.property(floats, (values) => {
      const histogram = new Histogram();
      for (const value of values) histogram.add(Float32Array.of(value));
      assert.equal(histogram.counts.length, BINS);
      const expected = new Map<number, number>();
      for (const value of Float32Array.from(values)) {
        const middle = value === 0 ? 0 : (Math.floor(value / histogram.width) + 0.5) * histogram.width;
        expected.set(middle, (expected.get(middle) ?? 0) + 1);
      }
      assert.deepEqual(new Map(histogram.bins()), new Map([...expected].sort(([a], [b]) => a - b)));
    }),
    { seed: 2 },
  );
});

test('quantiles are within a bin of those of the sorted values', () => {
  const random = new Random(3);
  const values = Float32Array.from({ length: 20000 }, () => random.normal() * 3 + 1);
  const histogram = new Histogram();
  for (let i = 0; i < values.length; i += 1000) histogram.add(values.subarray(i, i + 1000));
  const sorted = values.slice().sort();
  for (const share of [0.001, 0.1, 0.5, 0.9, 0.999]) {
    const rank = Math.floor(share * sorted.length);
    const got = histogram.quantile(share);
    assert.ok(
      got >= sorted[rank - 2]! - histogram.width && got <= sorted[rank + 2]! + histogram.width,
      `${share}`,
    );
  }
});

test('values that are not finite are counted and left out', () => {
  const histogram = new Histogram();
  histogram.add(Float32Array.of(1, Number.NaN, Number.POSITIVE_INFINITY, -2));
  histogram.add(Float32Array.of(Number.NaN));
  assert.deepEqual([histogram.total, histogram.notFinite, histogram.min, histogram.max], [2, 3, -2, 1]);
});

test('every calibrator keeps within what was observed', () => {
  fc.assert(
    fc.property(floats, (values) => {
      const histogram = new Histogram();
      histogram.add(Float32Array.from(values));
      for (const method of Object.keys(CALIBRATORS) as CalibrationMethod[]) {
        const { low, high } = CALIBRATORS[method](histogram, {});
        assert.ok(low <= high, method);
        assert.ok(low >= Math.min(histogram.min, 0) && high <= Math.max(histogram.max, 0), method);
      }
    }),
    { seed: 4, numRuns: 40 },
  );
});

test('minmax and its moving average', () => {
  const histogram = new Histogram(0.5);
  histogram.add(Float32Array.of(-1, 1));
  histogram.add(Float32Array.of(-3, 2));
  assert.deepEqual(CALIBRATORS.minmax(histogram, {}), { low: -3, high: 2 });
  assert.deepEqual(CALIBRATORS.minmax(histogram, { movingAverage: true }), { low: -2, high: 1.5 });
});

test('percentile cuts half of the rest on each side', () => {
  const values = Float32Array.from({ length: 10001 }, (_, i) => i / 100 - 50);
  const histogram = new Histogram();
  histogram.add(values);
  const { low, high } = CALIBRATORS.percentile(histogram, { percentile: 90 });
  assert.ok(Math.abs(low + 45) < 0.1 && Math.abs(high - 45) < 0.1);
});

/** Squared error of uint8 quantization over the values themselves. */
function trueError(values: Float32Array, low: number, high: number): number {
  const params = paramsOf(low, high, 'uint8');
  return values.reduce(
    (sum, value) => sum + (value - (quantizeOne(value, params) - params.zeroPoint) * params.scale) ** 2,
    0,
  );
}

test('mse finds about the range of least error that brute force finds', () => {
  const random = new Random(5);
  for (const tail of [1, 8, 40]) {
    const values = Float32Array.from({ length: 8000 }, (_, i) =>
      i % 400 === 0 ? Math.abs(random.normal()) * tail : Math.max(0, random.normal()),
    );
    const histogram = new Histogram();
    histogram.add(values);
    let least = Number.POSITIVE_INFINITY;
    for (let i = 1; i <= 400; i++) least = Math.min(least, trueError(values, 0, (histogram.max * i) / 400));
    const { low, high } = CALIBRATORS.mse(histogram);
    assert.ok(trueError(values, low, high) <= least * 1.05, `tail ${tail}`);
  }
});

test('entropy drops outliers that many values make visible, and keeps a range that is all in use', () => {
  const random = new Random(6);
  const values = Float32Array.from({ length: 200000 }, (_, i) =>
    i % 50000 === 7 ? 60 : Math.abs(random.normal()),
  );
  const histogram = new Histogram();
  histogram.add(values);
  const { high } = CALIBRATORS.entropy(histogram);
  assert.ok(high < 20 && high > 2, `${high}`);
  const even = new Histogram();
  even.add(Float32Array.from({ length: 200000 }, () => random.uniform()));
  assert.ok(CALIBRATORS.entropy(even).high > 0.9);
});

test('ranges of a model agree with those of all its values in memory', async () => {
  const model = convNet(3);
  const data = normalData([3, 16, 16], 40);
  const values = calibrationValues(model);
  const ranges = await calibrate(model, data, { values, method: 'minmax', batch: 7 });
  const session = await openSession(exposed(model, values));
  try {
    for await (const { feeds } of bind(data, session.inputs, { batch: 40 })) {
      const all = await session.run(feeds);
      for (const value of values) {
        const held = (feeds[value] ?? all[value]!).as('float32');
        const { low, high } = ranges.get(value)!;
        const [least, most] = [held.reduce((a, b) => Math.min(a, b)), held.reduce((a, b) => Math.max(a, b))];
        // Batches of other sizes may sum in another order.
        assert.ok(Math.abs(low - least) < 1e-4 && Math.abs(high - most) < 1e-4, value);
      }
    }
  } finally {
    await session.dispose();
  }
});

test('one pass serves all methods; few bytes make several passes, with the same result', async () => {
  const model = convNet(4);
  const data = normalData([3, 16, 16], 12);
  const values = calibrationValues(model);
  const statistics = await collectStatistics(model, data, { values, batch: 4 });
  for (const method of Object.keys(CALIBRATORS) as CalibrationMethod[]) {
    assert.equal(rangesFrom(statistics, method).size, values.length);
  }
  let passes = 0;
  const seen = new Map<string, number>();
  const result = await observe(
    model,
    data,
    values,
    (value, tensor) => {
      seen.set(value, (seen.get(value) ?? 0) + tensor.size);
    },
    { memory: 20000 },
  );
  passes = result.passes;
  assert.ok(passes > 1, 'a memory smaller than one sample needs several passes');
  for (const [value, size] of seen) assert.equal(size, statistics.histograms.get(value)!.total, value);
});

test('no samples, and a cancelled run, end with their codes', async () => {
  const model = mlp();
  const values = calibrationValues(model);
  const data = inMemory({ x: normals(new Random(1), [4, 32]) });
  await assert.rejects(
    collectStatistics(model, data, { values, indices: [] }),
    (error) => error instanceof ModicumError && error.code === 'DATA_EMPTY',
  );
  const signal = AbortSignal.abort();
  await assert.rejects(collectStatistics(model, data, { values, signal }));
});
