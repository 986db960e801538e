import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mlp } from '../../test/quantize-nets.ts';
import type { Comparison, Measurement } from '../measure/index.ts';
import type { Precision } from '../transform/index.ts';
import { decide } from './decide.ts';
import type { MixJudge } from './judge.ts';
import type { Variant } from './variant.ts';

interface Imagined {
  readonly title: string;
  readonly precision?: Precision;
  /** Milliseconds of a run. */
  readonly time: number;
  /** Upper bounds of the loss, on the tuning part (the loss itself is half of it) and on the held-out one. */
  readonly tuned: number;
  readonly held: number;
}

const measurement = (what: string, value: number, spread = 0): Measurement => ({
  what,
  value,
  unit: '1',
  interval: { low: value * (1 - spread), high: value * (1 + spread), level: 0.95, method: '' },
  how: 'measured',
  method: '',
  n: 10,
  machine: '',
  at: '',
});
const dropOf = (high: number) => ({
  value: high / 2,
  n: 100,
  differing: 1,
  interval: { low: 0, high, level: 0.95, method: '' },
});

/** A decision among variants that only exist as figures; `tested` are those that the held-out part was asked about. */
async function decided(all: readonly Imagined[], maxDrop = 1, minimize: 'latency' | 'size' = 'latency') {
  const known = new Map<Variant, Imagined>();
  const evaluation = {
    value: 0,
    interval: dropOf(0).interval,
    rows: new Float64Array(),
    n: 100,
    nonFinite: 0,
    record: measurement('a', 0),
  };
  const variants = all.map((one): Variant => {
    const { title, precision, tuned } = one;
    const model = mlp();
    const made: Variant = {
      title,
      precision,
      model,
      bytes: 1000 * one.time,
      assignment: {},
      effective: {},
      notes: [],
      drop: dropOf(tuned),
      why: '',
    };
    known.set(made, one);
    return made;
  });
  const tested: string[] = [];
  const judge: Pick<MixJudge, 'race' | 'evaluate'> = {
    race: async (some) =>
      some.map((variant): Comparison => {
        const [first, own] = [known.get(some[0]!)!.time, known.get(variant)!.time];
        const ratio = (what: string) => measurement(what, first / own, 0.01);
        return {
          name: variant.title,
          latency: measurement('latency.p50', own),
          throughput: measurement('throughput', 1 / own),
          cpu: measurement('cpu', own),
          latencyRatio: measurement('latency.ratio', own / first, 0.01),
          throughputRatio: ratio('throughput.ratio'),
          speedRatio: ratio('speed.ratio'),
          cpuRatio: measurement('cpu.ratio', own / first),
          verdict: 'unclear',
        };
      }),
    evaluate: async (variant) => {
      tested.push(variant.title);
      return { evaluation, drop: dropOf(known.get(variant)!.held) };
    },
  };
  return { ...(await decide(variants, judge, { maxDrop, minimize })), tested, variants };
}

const FP32: Imagined = { title: 'fp32', precision: 'fp32', time: 10, tuned: 0, held: 0 };
const INT8: Imagined = { title: 'int8', precision: 'int8', time: 5, tuned: 1.5, held: 1.6 };
const mixOf = (title: string, time: number, tuned: number, held: number): Imagined => ({
  title,
  time,
  tuned,
  held,
});

test('from the safest to the cheapest, up to the first that may lose too much', async () => {
  const found = await decided([
    FP32,
    INT8,
    mixOf('a', 8, 0.2, 0.3),
    mixOf('b', 7, 0.6, 0.7),
    mixOf('c', 6, 0.9, 1.2),
  ]);
  assert.deepEqual(found.tested, ['fp32', 'a', 'b', 'c']);
  assert.deepEqual([found.verdict, found.chosen.title, found.bestUniform.title], ['mixed', 'b', 'fp32']);
  assert.match(found.variants[4]!.why, /may lose 1.2 on the held-out part/);
  assert.match(found.variants[1]!.why, /a safer one already failed/);
  assert.match(found.why, /is faster than fp32: 1.429 times/);
});

test('where one precision for all holds and is as fast, it is best', async () => {
  const holds = { ...INT8, tuned: 0.5, held: 0.5 };
  const found = await decided([FP32, holds, mixOf('a', 4.97, 0.4, 0.4)]);
  assert.deepEqual([found.verdict, found.chosen.title], ['uniform', 'int8']);
  assert.match(found.why, /is not surely faster than int8/);
  const faster = await decided([FP32, holds, mixOf('a', 4, 0.4, 0.4)]);
  assert.deepEqual([faster.verdict, faster.chosen.title, faster.bestUniform.title], ['mixed', 'a', 'int8']);
});

test('what loses too much on the tuning part, gains nothing or is beaten is not tested', async () => {
  const slow = mixOf('slow', 11, 0.1, 5);
  const beaten = mixOf('beaten', 9, 0.8, 5);
  const lossy = mixOf('lossy', 2, 2.2, 0);
  const found = await decided([FP32, slow, beaten, lossy, mixOf('good', 8, 0.3, 0.3)]);
  assert.deepEqual(found.tested, ['fp32', 'good']);
  assert.deepEqual(
    [slow, beaten, lossy].map(({ title }) => found.variants.find((one) => one.title === title)!.why),
    ['costs no less than fp32', 'another is as safe and costs less', 'loses too much on the tuning part'],
  );
  assert.equal(found.chosen.title, 'good');
});

test('with nothing that holds it stays fp32, and says so', async () => {
  const found = await decided([FP32, INT8, mixOf('a', 8, 0.9, 3)]);
  assert.deepEqual([found.verdict, found.chosen.title, found.bestMix], ['fp32', 'fp32', undefined]);
  assert.match(found.why, /no mix that costs less than fp32 holds/);
});

test('for size the bytes decide, whatever the time', async () => {
  const found = await decided(
    [FP32, { ...INT8, held: 0.9, tuned: 0.9 }, mixOf('a', 4.9, 0.5, 0.5)],
    1,
    'size',
  );
  assert.deepEqual([found.verdict, found.chosen.title], ['mixed', 'a']);
  assert.match(found.why, /98.0 % of the bytes of int8/);
});
