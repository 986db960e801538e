import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findRate, type TrialAsk } from './find-rate.ts';
import type { LoadPoint } from './result.ts';

function pointOf({ rate, purpose }: TrialAsk, met: boolean): LoadPoint {
  const none = {
    seconds: 1,
    queries: 1,
    throughput: rate,
    goodput: rate,
    p50: 1,
    p99: 1,
    shed: 0,
    failed: 0,
    over: 0,
  };
  return { ...none, rate, purpose, met, hopeless: false };
}

test('the highest rate is found from below and from above, and confirmed', async () => {
  for (const limit of [3, 100, 777, 40_000]) {
    const { found, curve } = await findRate(async (ask) => pointOf(ask, ask.rate <= limit), { start: 100 });
    assert.ok(found.rate! <= limit && found.rate! > limit / 1.03, `${found.rate} of ${limit}`);
    assert.ok(found.broken! > limit);
    assert.equal(found.confirmed, true);
    assert.equal(curve.at(-1)!.purpose, 'confirmation');
    assert.ok(curve.length < 40);
  }
});

test('one hiccup does not halve the answer', async () => {
  let hiccups = 0;
  const { found } = await findRate(
    async (ask) => pointOf(ask, ask.rate <= 500 && !(ask.rate === 200 && hiccups++ === 0)),
    { start: 100 },
  );
  assert.equal(hiccups > 0, true);
  assert.ok(found.rate! > 480);
});

test('a rate that is not kept again is not told as found', async () => {
  const { found } = await findRate(
    async (ask) => pointOf(ask, ask.rate <= (ask.purpose === 'probe' ? 1000 : 850)),
    { start: 100 },
  );
  assert.ok(found.rate! <= 850 && found.rate! > 780, String(found.rate));
  assert.equal(found.confirmed, true);
  const never = await findRate(async (ask) => pointOf(ask, ask.purpose === 'probe' && ask.rate < 9), {
    start: 4,
  });
  assert.equal(never.found.confirmed, false);
});

test('nothing is kept: it says so; everything is kept: it ends; stopped: it says so', async () => {
  const none = await findRate(async (ask) => pointOf(ask, false), { start: 100 });
  assert.deepEqual([none.found.rate, none.found.confirmed], [undefined, false]);
  const all = await findRate(async (ask) => pointOf(ask, true), { start: 1 });
  assert.deepEqual([all.found.rate, all.found.broken, all.found.confirmed], [1024, undefined, true]);
  const stop = new AbortController();
  const stopped = await findRate(
    async (ask) => {
      if (ask.rate > 300) stop.abort();
      return pointOf(ask, true);
    },
    { start: 100, signal: stop.signal },
  );
  assert.equal(stopped.found.confirmed, false);
  assert.match(stopped.found.why, /stopped/);
});
