import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ModicumError, Random } from '../base/index.ts';
import { inMemory } from '../data/index.ts';
import { makeGraph, makeModel, makeNode, Tensor, tensorType } from '../graph/index.ts';
import { openSession } from '../run/index.ts';
import { compareEvaluations, type Evaluation, evaluate } from './evaluate.ts';
import { metricByName } from './metrics/index.ts';

/** scores = x W, and roots = sqrt(x W) which is NaN for negative ones. */
function linear(weights: number[]) {
  return makeModel(
    makeGraph({
      inputs: [{ name: 'x', type: tensorType('float32', ['batch', 2]) }],
      outputs: [
        { name: 'scores', type: tensorType('float32', ['batch', 2]) },
        { name: 'roots', type: tensorType('float32', ['batch', 2]) },
      ],
      nodes: [makeNode('MatMul', ['x', 'w'], ['scores']), makeNode('Sqrt', ['scores'], ['roots'])],
      initializers: new Map([['w', Tensor.float32([2, 2], weights)]]),
    }),
    17,
  );
}

const N = 501;
function points() {
  const random = new Random(1);
  const x = Float32Array.from({ length: 2 * N }, () => random.uniform());
  const labels = Array.from({ length: N }, (_, i) => (x[2 * i]! > x[2 * i + 1]! ? 0 : 1));
  return inMemory({ x: Tensor.float32([N, 2], x) }, Tensor.int64([N], labels), { name: 'points' });
}
const open = (weights: number[]) => openSession(linear(weights), { threads: 1 });
const refused = (expected: string) => (thrown: unknown) =>
  thrown instanceof ModicumError && thrown.code === expected;

test('evaluate: a right model scores 100, a crooked one what counting says; rows keep the order', async (t) => {
  const [right, crooked] = await Promise.all([open([1, 0, 0, 1]), open([1, 0, 0, 1.3])]);
  t.after(() => Promise.all([right.dispose(), crooked.dispose()]));
  const data = points();
  const metric = metricByName('top1');
  const best = await evaluate(right, data, metric, { batch: 7 });
  assert.equal(best.value, 100);
  assert.equal(best.n, N);
  assert.ok(best.interval.low > 99 && best.interval.high === 100);
  assert.match(best.record.what, /accuracy.top1/);
  const worse = await evaluate(crooked, data, metric, { batch: 64 });
  let counted = 0;
  for await (const { feeds, labels } of data.read({ batch: 1 })) {
    const [a, b] = feeds.x!.as('float32');
    counted += (a! > Math.fround(b! * Math.fround(1.3)) ? 0n : 1n) === labels!.as('int64')[0] ? 1 : 0;
  }
  assert.equal(worse.value, (100 * counted) / N);
  assert.deepEqual((await evaluate(crooked, data, metric, { batch: 3 })).rows, worse.rows);
  const drop = compareEvaluations(best, worse, metric);
  assert.equal(drop.value, best.value - worse.value);
  assert.equal(drop.differing, N - counted);
  assert.ok(drop.interval.low > 0 && drop.interval.low < drop.value && drop.value < drop.interval.high);
  assert.match(drop.interval.method, /Tango/);
  const none = compareEvaluations(best, best, metric, { oneSided: true });
  assert.equal(none.value, 0);
  assert.ok(none.interval.high > 0.4 && none.interval.high < 0.7, 'no difference seen is not no difference');
});

test('evaluate: fidelity to a reference, and NaN is said', async (t) => {
  const [one, other] = await Promise.all([open([1, 0, 0, 1]), open([-1, 0, 0, 1.01])]);
  t.after(() => Promise.all([one.dispose(), other.dispose()]));
  const data = points();
  const same = await evaluate(one, data, metricByName('sqnr'), { reference: one });
  assert.equal(same.value, 200);
  assert.match(same.interval.method, /too narrow/);
  const off = await evaluate(other, data, metricByName('agreement'), { reference: one });
  assert.equal(off.nonFinite, N);
  assert.match(off.record.method, /501 of them have NaN/);
  await assert.rejects(evaluate(one, data, metricByName('kl')), refused('METRIC_UNFIT'));
  const bare = inMemory({ x: Tensor.float32([1, 2], [1, 2]) });
  await assert.rejects(evaluate(one, bare, metricByName('top1')), refused('DATA_NO_LABELS'));
});

/** An evaluation of given rows, as if it had been run. */
function evaluationOf(rows: number[], name: string, width = 1): Evaluation {
  const kept = Float64Array.from(rows);
  const value = metricByName(name).aggregate(kept);
  const interval = { low: value, high: value, level: 0.95, method: '' };
  const n = rows.length / width;
  const record = {
    what: name,
    value,
    unit: '',
    how: 'measured',
    method: '',
    n,
    machine: '',
    at: '',
  } as const;
  return { value, interval, rows: kept, n, nonFinite: 0, record };
}

test('compare: lower is better turns the sign, few differences widen, infinity is no crash', () => {
  const metric = metricByName('max-error');
  const a = evaluationOf([0.1, 0.2, 0.3], 'max-error');
  const b = evaluationOf([0.1, 0.2, 0.5], 'max-error');
  const drop = compareEvaluations(a, b, metric);
  assert.ok(Math.abs(drop.value - 0.2) < 1e-12);
  assert.match(drop.interval.method, /widened: only 1 of 3/);
  assert.ok(drop.interval.high > 0.3);
  const broken = evaluationOf([0.1, 0.2, Number.POSITIVE_INFINITY], 'max-error');
  assert.equal(compareEvaluations(a, broken, metric).interval.high, Number.POSITIVE_INFINITY);
  assert.equal(compareEvaluations(broken, broken, metric).value, 0);
  assert.throws(() => compareEvaluations(a, evaluationOf([1], 'max-error'), metric), refused('METRIC_UNFIT'));
});

test('compare: the one-sided bound of F1 lets a real drop through in at most about 5 % of experiments', () => {
  const random = new Random(9);
  const metric = metricByName('f1');
  const runs = 120;
  let missed = 0;
  for (let run = 0; run < runs; run++) {
    const rows: [number[], number[]] = [[], []];
    for (let i = 0; i < 400; i++) {
      const label = random.below(2);
      const wrong = random.uniform() < 0.1;
      // The candidate also errs on one sample in a hundred: macro F1 falls by close to 0.8 points.
      const alsoWrong = wrong !== random.uniform() < 0.01;
      rows[0].push(wrong ? 1 - label : label, label);
      rows[1].push(alsoWrong ? 1 - label : label, label);
    }
    const [one, two] = rows.map((own) => evaluationOf(own, 'f1', 2));
    const { interval } = compareEvaluations(one!, two!, metric, { oneSided: true, seed: run });
    if (interval.high < 0.8) missed++;
  }
  assert.ok(missed / runs < 0.1, `${missed} of ${runs}`);
});
