import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ArrivalSpec, arrivalsOf, atRate } from './index.ts';

function times(spec: ArrivalSpec, seconds: number, seed = 1): number[] {
  const found: number[] = [];
  for (const { at } of arrivalsOf(spec, seed)) {
    if (at > seconds * 1000) break;
    found.push(at);
  }
  return found;
}

/** Variance over mean of the counts in windows: 1 for Poisson, more for bursts. */
function dispersion(all: readonly number[], seconds: number, window = 1): number {
  const counts = new Array<number>(Math.floor(seconds / window)).fill(0);
  for (const at of all) {
    const place = Math.floor(at / 1000 / window);
    if (place < counts.length) counts[place]!++;
  }
  const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  return counts.reduce((sum, count) => sum + (count - mean) ** 2, 0) / counts.length / mean;
}

const SPECS: ArrivalSpec[] = [
  { kind: 'poisson', rate: 50 },
  { kind: 'uniform', rate: 50 },
  { kind: 'bursty', rate: 50, burst: 5, onSeconds: 1, offSeconds: 4 },
  { kind: 'bursty', rate: 50, burst: Number.POSITIVE_INFINITY, onSeconds: 1, offSeconds: 1 },
  { kind: 'diurnal', rate: 50, daySeconds: 100, swing: 0.8 },
];

test('every kind has the mean rate it is asked for, ascends, and repeats by its seed', () => {
  for (const spec of SPECS) {
    const all = times(spec, 4000);
    assert.ok(Math.abs(all.length / 200_000 - 1) < 0.06, `${spec.kind}: ${all.length}`);
    assert.ok(all.every((at, i) => i === 0 || at >= all[i - 1]!));
    assert.deepEqual(times(spec, 10), times(spec, 10));
    if (spec.kind !== 'uniform') assert.notDeepEqual(times(spec, 10, 1), times(spec, 10, 2));
    assert.ok(Math.abs(times(atRate(spec, 100), 2000).length / 200_000 - 1) < 0.08);
  }
});

test('gaps of Poisson are exponential, bursts are burstier, equal gaps are none', () => {
  const [poisson, uniform, bursty, onOff] = SPECS.map((spec) => dispersion(times(spec, 4000), 4000));
  assert.ok(Math.abs(poisson! - 1) < 0.1, String(poisson));
  assert.ok(uniform! < 0.01);
  assert.ok(bursty! > 5, String(bursty));
  assert.ok(onOff! > 5, String(onOff));
  const all = times(SPECS[0]!, 4000);
  const long = all.filter((at, i) => at - (all[i - 1] ?? 0) > 40).length / all.length;
  assert.ok(Math.abs(long - Math.exp(-2)) < 0.01, String(long));
});

test('a day is quiet at its start and busy at its half', () => {
  const all = times(SPECS[4]!, 4000);
  const share = (from: number, to: number) =>
    all.filter((at) => (at / 1000) % 100 >= from && (at / 1000) % 100 < to).length / all.length;
  // 1 - 0.8 cos over a tenth of the day, in closed form.
  const known = (from: number, to: number) =>
    to - from - 0.8 * ((Math.sin(2 * Math.PI * to) - Math.sin(2 * Math.PI * from)) / (2 * Math.PI));
  assert.ok(Math.abs(share(0, 10) - known(0, 0.1)) < 0.005);
  assert.ok(Math.abs(share(45, 55) - known(0.45, 0.55)) < 0.005);
});

test('a trace is replayed as it is, or stretched to a rate', () => {
  const trace: ArrivalSpec = {
    kind: 'trace',
    name: 't',
    times: Float64Array.of(0, 100, 150, 400),
    sizes: Uint32Array.of(1, 2, 3, 4),
    samples: Uint32Array.of(9, 8, 7, 6),
  };
  assert.deepEqual(
    [...arrivalsOf(trace, 1)],
    [0, 100, 150, 400].map((at, i) => ({ at, size: i + 1, sample: 9 - i })),
  );
  // Three gaps in 400 ms are 7.5/s.
  assert.deepEqual(
    [...arrivalsOf(atRate(trace, 15), 1)].map(({ at }) => at),
    [0, 50, 75, 200],
  );
});

test('numbers that make no sense are refused', () => {
  for (const spec of [
    { kind: 'poisson', rate: 0 },
    { kind: 'uniform', rate: Number.NaN },
    { kind: 'bursty', rate: 1, burst: -1, onSeconds: 1, offSeconds: 1 },
    { kind: 'diurnal', rate: 1, daySeconds: 1, swing: 2 },
  ] as ArrivalSpec[]) {
    assert.throws(() => arrivalsOf(spec, 1), { code: 'USAGE_BAD_OPTION' });
  }
});
