import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ModicumError } from '../../base/index.ts';
import { Tensor } from '../../graph/index.ts';
import { METRICS, type MetricOptions, metricByName, type Observed } from './index.ts';

const near = (actual: number, expected: number, tolerance = 1e-9) =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not ${expected} +- ${tolerance}`);

/** The figure of one batch, and its rows. */
function measure(name: string, observed: Partial<Observed> & { samples: number }, options?: MetricOptions) {
  const metric = metricByName(name, options);
  const rows: number[] = [];
  metric.rows({ outputs: {}, ...observed }, rows);
  assert.equal(rows.length, observed.samples * metric.width);
  return { value: metric.aggregate(Float64Array.from(rows)), rows, metric };
}
const f32 = (dims: number[], values: number[]) => Tensor.float32(dims, values);
const ints = (...values: number[]) => Tensor.int64([values.length], values);
const code = (expected: string) => (thrown: unknown) => {
  assert.ok(thrown instanceof ModicumError, String(thrown));
  assert.equal(thrown.code, expected);
  assert.ok(thrown.hint.length > 5);
  return true;
};

const SCORES = f32([4, 3], [5, 1, 0, 0, 2, 1, 3, 3, 0, 1, 2, 9]);

test('top1: hand-counted, equal scores against the model, squeezed, one-hot, other integer labels', () => {
  // Right, right, tie of classes 0 and 1 (the label is 1: wrong), wrong.
  const labels = ints(0, 1, 1, 0);
  assert.equal(measure('top1', { outputs: { y: SCORES }, labels, samples: 4 }).value, 50);
  const square = SCORES.reshape([4, 3, 1, 1]);
  assert.equal(measure('top1', { outputs: { y: square }, labels, samples: 4 }).value, 50);
  const hot = f32([4, 3], [1, 0, 0, 0, 1, 0, 0, 1, 0, 1, 0, 0]);
  assert.deepEqual(measure('top1', { outputs: { y: SCORES }, labels: hot, samples: 4 }).rows, [1, 1, 0, 0]);
  const narrow = Tensor.of('int32', [4, 1], Int32Array.of(0, 1, 1, 0));
  assert.equal(measure('accuracy', { outputs: { y: SCORES }, labels: narrow, samples: 4 }).value, 50);
  const half = Tensor.of('float16', [1, 2], Uint16Array.of(0x3c00, 0x4000));
  assert.equal(measure('top1', { outputs: { y: half }, labels: ints(1), samples: 1 }).value, 100);
  const channels = f32([2, 2, 1, 2], [1, 9, 2, 0, 0, 0, 3, 4]);
  assert.throws(
    () => measure('top1', { outputs: { y: channels }, labels: ints(1, 1), samples: 2 }),
    code('METRIC_UNFIT'),
  );
});

test('top5 counts ranks and a NaN anywhere is wrong', () => {
  const scores = f32([2, 7], [7, 6, 5, 4, 3, 2, 1, 1, 2, 3, Number.NaN, 5, 6, 7]);
  const { rows } = measure('top5', { outputs: { y: scores }, labels: ints(4, 6), samples: 2 });
  assert.deepEqual(rows, [1, 0]);
  assert.deepEqual(measure('top5', { outputs: { y: scores }, labels: ints(5, 6), samples: 2 }).rows, [0, 0]);
  assert.throws(
    () => measure('top5', { outputs: { y: SCORES }, labels: ints(0, 1, 1, 0), samples: 4 }),
    code('METRIC_UNFIT'),
  );
});

test('accuracy of one score goes by the threshold; NaN is wrong', () => {
  const outputs = { y: f32([4, 1], [0.4, 0.6, 0.9, Number.NaN]) };
  const labels = ints(0, 1, 0, 1);
  assert.equal(measure('accuracy', { outputs, labels, samples: 4 }).value, 50);
  assert.equal(measure('accuracy', { outputs, labels, samples: 4 }, { threshold: 0.95 }).value, 50);
  assert.equal(measure('accuracy', { outputs, labels, samples: 4 }, { threshold: 0.3 }).value, 25);
});

test('f1: the example of the scikit-learn manual, and NaN as a miss', () => {
  const decisions = [0, 2, 1, 0, 0, 1];
  const scores = f32(
    [6, 3],
    decisions.flatMap((c) => [0, 1, 2].map((i) => (i === c ? 1 : 0))),
  );
  const labels = ints(0, 1, 2, 0, 1, 2);
  near(measure('f1', { outputs: { y: scores }, labels, samples: 6 }).value, 26.666666666666668);
  const nan = f32([2, 2], [Number.NaN, 0, 0, 1]);
  // Class 0: 0 of 1 found; class 1: perfect.
  near(measure('f1', { outputs: { y: nan }, labels: ints(0, 1), samples: 2 }).value, 50);
});

test('auc: hand-counted pairs, ties half, one against the rest, NaN at the wrong end', () => {
  const binary = (values: number[], labels: number[]) =>
    measure('auc', {
      outputs: { y: f32([values.length, 1], values) },
      labels: ints(...labels),
      samples: values.length,
    }).value;
  near(binary([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]), 75);
  near(binary([0.5, 0.5], [0, 1]), 50);
  near(binary([0.1, Number.NaN], [0, 1]), 0);
  near(binary([Number.NaN, 0.1], [0, 1]), 0);
  const two = f32([2, 2], [0.9, 0.1, 0.2, 0.8]);
  near(measure('auc', { outputs: { y: two }, labels: ints(0, 1), samples: 2 }).value, 100);
  const { metric, rows } = measure('auc', { outputs: { y: SCORES }, labels: ints(0, 1, 2, 2), samples: 4 });
  assert.equal(metric.width, 4);
  // Class 0: 5 beats 0, 3, 1. Class 1: 2 beats 1, loses to 3, ties 2. Class 2: 0 and 9 against 0 and 1.
  near(metric.aggregate(Float64Array.from(rows)), (100 * (1 + 1.5 / 3 + 2.5 / 4)) / 3);
  // The sorted fast path must agree with a plain count on resamples.
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 4 }), fc.boolean()), { minLength: 2, maxLength: 20 }),
      fc.infiniteStream(fc.nat()),
      (samples, stream) => {
        const own = Float64Array.from(samples.flatMap(([score, label]) => [score, label ? 1 : 0]));
        const auc = METRICS.auc();
        auc.rows({ outputs: { y: f32([1], [0]) }, labels: ints(0), samples: 1 }, []);
        const chosen = Uint32Array.from(samples, () => stream.next().value! % samples.length);
        let [won, pairs] = [0, 0];
        for (const i of chosen)
          for (const j of chosen) {
            if (own[2 * i + 1] !== 1 || own[2 * j + 1] !== 0) continue;
            pairs++;
            won += own[2 * i]! > own[2 * j]! ? 1 : own[2 * i] === own[2 * j] ? 0.5 : 0;
          }
        const got = auc.aggregate(own, chosen);
        if (pairs === 0) assert.ok(Number.isNaN(got));
        else near(got, (100 * won) / pairs);
      },
    ),
    { seed: 3, numRuns: 200 },
  );
});

test('mse, rmse, mae: over all elements; NaN is infinite', () => {
  const observed = {
    outputs: { y: f32([2, 2], [1, 2, 3, 4]) },
    labels: f32([2, 2], [1, 0, 0, 4]),
    samples: 2,
  };
  near(measure('mse', observed).value, 13 / 4);
  near(measure('rmse', observed).value, Math.sqrt(13 / 4));
  near(measure('mae', observed).value, 5 / 4);
  const bad = { ...observed, outputs: { y: f32([2, 2], [1, Number.NaN, 3, 4]) } };
  assert.equal(measure('mse', bad).value, Number.POSITIVE_INFINITY);
  assert.throws(() => measure('mse', { ...observed, labels: ints(1, 2) }), code('METRIC_UNFIT'));
});

test('perplexity: uniform logits give the size of the vocabulary; -100 does not count', () => {
  const flat = f32([2, 3, 5], new Array(30).fill(7));
  const labels = Tensor.int64([2, 3], [0, 1, 2, 3, 4, -100]);
  const { value, rows } = measure('perplexity', { outputs: { y: flat }, labels, samples: 2 });
  near(value, 5, 1e-6);
  assert.deepEqual([rows[1], rows[3]], [3, 2]);
  const p = f32([2, 2], [0.25, 0.75, 0.5, 0.5]);
  near(
    measure('perplexity', { outputs: { y: p }, labels: ints(1, 0), samples: 2 }, { scores: 'probabilities' })
      .value,
    Math.sqrt(1 / 0.375),
    1e-6,
  );
  const huge = f32([1, 2], [5000, 0]);
  near(measure('perplexity', { outputs: { y: huge }, labels: ints(0), samples: 1 }).value, 1);
});

const fidelity = (name: string, ours: Tensor, theirs: Tensor, options?: MetricOptions) =>
  measure(name, { outputs: { y: ours }, reference: { y: theirs }, samples: ours.dims[0]! }, options).value;

test('fidelity: hand-computed values', () => {
  const theirs = f32([2, 2], [3, 4, 0, 1]);
  const ours = f32([2, 2], [4, 3, 0, 1]);
  assert.equal(fidelity('agreement', ours, theirs), 50);
  near(fidelity('cosine', ours, theirs), (24 / 25 + 1) / 2);
  near(fidelity('sqnr', ours, theirs), 10 * Math.log10(26 / 2), 1e-9);
  assert.equal(fidelity('max-error', ours, theirs), 1);
  assert.equal(fidelity('sqnr', theirs, theirs), 200);
  assert.equal(fidelity('kl', theirs, theirs), 0);
  const [p, q] = [f32([1, 2], [0.75, 0.25]), f32([1, 2], [0.5, 0.5])];
  const expected = 0.75 * Math.log(1.5) + 0.25 * Math.log(0.5);
  near(fidelity('kl', q, p), expected, 1e-7);
  const logits = (t: number[]) =>
    f32(
      [1, 2],
      t.map((v) => Math.log(v) + 3),
    );
  near(fidelity('kl', logits([0.5, 0.5]), logits([0.75, 0.25])), expected, 1e-6);
  near(fidelity('kl', f32([1, 1], [0.5]), f32([1, 1], [0.75])), expected, 1e-7);
});

test('fidelity: NaN never looks good, several outputs, many decisions', () => {
  const theirs = f32([1, 2], [1, 2]);
  const nan = f32([1, 2], [1, Number.NaN]);
  assert.equal(fidelity('agreement', nan, theirs), 0);
  assert.equal(fidelity('cosine', nan, theirs), 0);
  assert.equal(fidelity('sqnr', nan, theirs), -200);
  assert.ok(fidelity('kl', nan, theirs) > 20);
  assert.equal(fidelity('max-error', nan, theirs), Number.POSITIVE_INFINITY);
  const many = measure('agreement', {
    outputs: { y: f32([1, 2, 2], [0, 1, 0, 1]) },
    reference: { y: f32([1, 2, 2], [0, 1, 1, 0]) },
    samples: 1,
  });
  assert.deepEqual([many.value, many.metric.proportion], [50, false]);
  const two = {
    outputs: { a: theirs, b: theirs },
    reference: { a: theirs, b: f32([1, 2], [1, 1]) },
    samples: 1,
  };
  near(measure('sqnr', two).value, 10 * Math.log10(2));
  assert.equal(measure('sqnr', two, { output: 'a' }).value, 200);
  assert.throws(() => measure('sqnr', { ...two, outputs: { a: theirs } }), code('METRIC_UNFIT'));
});

test('what does not fit is said, never a crash', () => {
  const y = f32([2, 2], [1, 2, 3, 4]);
  assert.throws(() => metricByName('nope'), code('METRIC_UNKNOWN'));
  assert.throws(() => metricByName('toString'), code('METRIC_UNKNOWN'));
  for (const name of Object.keys(METRICS)) {
    const { needs } = metricByName(name);
    const wanted = needs.labels ? 'DATA_NO_LABELS' : 'METRIC_UNFIT';
    const five = f32([2, 9], new Array(18).fill(1));
    assert.throws(() => measure(name, { outputs: { y: five }, samples: 2 }), code(wanted), name);
  }
  assert.throws(() => measure('top1', { outputs: {}, labels: ints(0), samples: 1 }), code('METRIC_UNFIT'));
  assert.throws(
    () => measure('top1', { outputs: { y }, labels: ints(0, 7), samples: 2 }),
    code('METRIC_UNFIT'),
  );
  assert.throws(
    () => measure('top1', { outputs: { y }, labels: ints(0, 1, 1), samples: 2 }),
    code('METRIC_UNFIT'),
  );
  assert.throws(() => measure('top1', { outputs: { y }, labels: ints(0), samples: 3 }), code('METRIC_UNFIT'));
  assert.throws(
    () => measure('top1', { outputs: { y }, labels: ints(0, 1), samples: 2 }, { output: 'z' }),
    code('METRIC_UNFIT'),
  );
  const words = { outputs: { y: Tensor.ofStrings([1], ['a']) }, labels: ints(0), samples: 1 };
  assert.throws(() => measure('accuracy', words), code('METRIC_UNFIT'));
});

test('every metric: best against itself, its list name, the same figure in any order of the samples', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { minLength: 6, maxLength: 6 }), {
        minLength: 2,
        maxLength: 12,
      }),
      (samples) => {
        const n = samples.length;
        const ours = f32([n, 6], samples.flat());
        const theirs = f32(
          [n, 6],
          samples.flatMap((row) => row.map((v, c) => v + (c % 2 ? 0.3 : -0.2))),
        );
        for (const name of Object.keys(METRICS)) {
          const metric = metricByName(name);
          assert.equal(metric.name, name);
          const labels = ['mse', 'rmse', 'mae'].includes(name)
            ? theirs
            : Tensor.int64(
                [n],
                samples.map((_, i) => i % 6),
              );
          const rows: number[] = [];
          metric.rows({ outputs: { y: ours }, labels, reference: { y: theirs }, samples: n }, rows);
          const kept = Float64Array.from(rows);
          const order = Uint32Array.from(samples, (_, i) => n - 1 - i);
          near(metric.aggregate(kept, order), metric.aggregate(kept), 1e-6);
          if (metric.proportion) assert.ok(rows.every((row) => row === 0 || row === 1));
        }
      },
    ),
    { seed: 5, numRuns: 60 },
  );
});
