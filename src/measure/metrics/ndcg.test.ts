import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ModicumError, Random } from '../../base/index.ts';
import { Tensor } from '../../graph/index.ts';
import { bootstrapInterval } from '../statistics/index.ts';
import { type MetricOptions, metricByName } from './index.ts';

const near = (actual: number, expected: number) =>
  assert.ok(Math.abs(actual - expected) <= 1e-9, `${actual} is not ${expected}`);
const discount = (place: number) => 1 / Math.log2(place + 1);

function measure(scores: Tensor, labels: Tensor, options?: MetricOptions) {
  const metric = metricByName('ndcg', options);
  const rows: number[] = [];
  metric.rows({ outputs: { scores }, labels, samples: scores.dims[0]! }, rows);
  assert.equal(rows.length, scores.dims[0]! * metric.width);
  return { metric, rows: Float64Array.from(rows), value: metric.aggregate(Float64Array.from(rows)) };
}
const f32 = (dims: number[], values: number[]) => Tensor.float32(dims, values);
const int64 = (dims: number[], values: number[]) => Tensor.int64(dims, values);
const unfit = (thrown: unknown) => thrown instanceof ModicumError && thrown.code === 'METRIC_UNFIT';

// Relevance 3 2 3 0 1 2 in the order of the scores, the worked example of Wikipedia's article, with gains 2^r - 1.
const GRADES = [3, 2, 3, 0, 1, 2];
const FALLING = [6, 5, 4, 3, 2, 1];
const dcg = (grades: number[]) => grades.reduce((sum, r, i) => sum + (2 ** r - 1) * discount(i + 1), 0);

test('ndcg: a graded list by hand, as a sample and as samples', () => {
  const wanted = (100 * dcg(GRADES)) / dcg([3, 3, 2, 2, 1, 0]);
  near(measure(f32([1, 6], FALLING), int64([1, 6], GRADES)).value, wanted);
  near(measure(f32([1, 6], FALLING), f32([1, 6], GRADES)).value, wanted);
  const pairs = GRADES.flatMap((grade) => [grade, 7]);
  near(measure(f32([6], FALLING), int64([6, 2], pairs)).value, wanted);
  near(measure(f32([6, 1], FALLING), int64([6, 2], pairs)).value, wanted);
  assert.ok(wanted < 99 && wanted > 90);
});

test('ndcg: only the first k places count, ten unless told', () => {
  near(measure(f32([1, 3], [1, 3, 2]), int64([1], [2])).value, 100 * discount(2));
  near(measure(f32([1, 3], [1, 3, 2]), int64([1], [2]), { k: 1 }).value, 0);
  near(measure(f32([1, 3], [1, 3, 2]), int64([1], [1]), { k: 1 }).value, 100);
  const falling = Array.from({ length: 12 }, (_, i) => -i);
  near(measure(f32([1, 12], falling), int64([1], [9])).value, 100 * discount(10));
  near(measure(f32([1, 12], falling), int64([1], [10])).value, 0);
});

test('ndcg: equal scores share their places, whatever the order of the samples', () => {
  const tied = (100 * (discount(1) + discount(2) + discount(3))) / 3;
  for (const item of [0, 1, 2]) near(measure(f32([1, 3], [5, 5, 5]), int64([1], [item])).value, tied);
  // A tie across the edge of the list: the places beyond gain nothing.
  near(measure(f32([1, 3], [9, 5, 5]), int64([1], [2]), { k: 2 }).value, (100 * discount(2)) / 2);
  const infinite = f32([1, 3], [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 0]);
  near(measure(infinite, int64([1], [0])).value, (100 * (1 + discount(2))) / 2);
});

test('ndcg: NaN gains nothing, a list without a relevant item does not count, negative is not in the list', () => {
  const scores = f32([3, 2], [2, 1, Number.NaN, 1, 1, 2]);
  near(measure(scores, int64([3, 2], [1, 0, 1, 0, 0, 0])).value, 50);
  assert.ok(Number.isNaN(measure(f32([1, 2], [1, 2]), int64([1, 2], [0, 0])).value));
  near(measure(f32([1, 3], [9, 2, 1]), int64([1, 3], [-1, 1, 0])).value, 100);
  near(measure(f32([1, 3], [Number.NaN, 2, 1]), int64([1, 3], [-1, 1, 0])).value, 100);
  near(measure(f32([1, 3], [9, 2, 1]), int64([1, 3], [0, 1, 0])).value, 100 * discount(2));
});

test('ndcg: lists of items are kept apart, in any order, and batches may cut them', () => {
  const scores = [3, 1, 2, 8, 9];
  const labels = [0, 4, 1, 4, 1, 5, 0, 4, 0, 5];
  const { value } = measure(f32([5], scores), int64([5, 2], labels));
  // List 4: scores 3, 1 and 8, the relevant one third. List 5: 2 and 9, the relevant one second.
  near(value, (100 * (discount(3) + discount(2))) / 2);
  const metric = metricByName('ndcg');
  const rows: number[] = [];
  for (const [from, to] of [
    [3, 5],
    [0, 3],
  ] as const) {
    const part = { scores: f32([to - from], scores.slice(from, to)) };
    const wanted = int64([to - from, 2], labels.slice(2 * from, 2 * to));
    metric.rows({ outputs: part, labels: wanted, samples: to - from }, rows);
  }
  near(metric.aggregate(Float64Array.from(rows)), value);
});

test('ndcg: intervals of items in lists are as wide as those of the lists', () => {
  const random = new Random(3);
  const [lists, length] = [150, 8];
  const scores = Array.from({ length: lists * length }, () => random.uniform());
  const relevant = Array.from({ length: lists }, () => random.below(length));
  const asLists = measure(f32([lists, length], scores), int64([lists], relevant));
  const items = scores.flatMap((_, i) => {
    const list = Math.floor(i / length);
    return [i % length === relevant[list] ? 1 : 0, list];
  });
  const asItems = measure(f32([lists * length], scores), int64([lists * length, 2], items));
  near(asItems.value, asLists.value);
  const width = ({ metric, rows }: typeof asLists) => {
    const n = rows.length / metric.width;
    const { low, high } = bootstrapInterval(n, (chosen) => metric.aggregate(rows, chosen), {
      seed: 1,
      resamples: 800,
    });
    return high - low;
  };
  const ratio = width(asItems) / width(asLists);
  assert.ok(ratio > 0.85 && ratio < 1.15, `${ratio}`);
});

test('ndcg: what does not fit is refused', () => {
  const list = f32([2, 3], [1, 2, 3, 4, 5, 6]);
  assert.throws(() => measure(list, int64([2], [0, 3])), unfit);
  assert.throws(() => measure(list, int64([2, 2], [0, 3, 1, 1])), unfit);
  assert.throws(() => measure(f32([2], [1, 2]), int64([2], [0, 1])), unfit);
  assert.throws(() => measure(f32([2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8]), int64([2], [0, 1])), unfit);
  const { metric } = measure(list, int64([2], [0, 1]));
  const items = { outputs: { y: f32([2], [1, 2]) }, labels: int64([2, 2], [0, 1, 1, 1]), samples: 2 };
  assert.throws(() => metric.rows(items, []), unfit);
});
