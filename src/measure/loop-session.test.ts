import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Tensor } from '../graph/index.ts';
import type { Feeds, Session } from '../run/index.ts';
import { looperOf, shuffledFeeds } from './loop-session.ts';

const feeds = Array.from({ length: 5 }, (_, i): Feeds => ({ x: Tensor.float32([1], [i]) }));

/** Takes 2 ms for a call; notes which feeds came, and how many calls were under way at once. */
function slow() {
  const seen: number[] = [];
  let [now, most] = [0, 0];
  const session: Session = {
    inputs: [],
    outputs: [],
    metadata: new Map(),
    async run({ x }) {
      seen.push(x!.numbers()[0]!);
      most = Math.max(most, ++now);
      await sleep(2);
      now--;
      return {};
    },
    async dispose() {},
  };
  return { session, seen, most: () => most };
}

test('every call is timed as a whole, and short loops go through all feeds', async () => {
  const { session, seen } = slow();
  const looper = looperOf(session);
  for (let i = 0; i < 4; i++) {
    const times = await looper.loop(feeds, { runs: 2 });
    assert.equal(times.runs, 2);
    assert.equal(times.latencies.length, 2);
    assert.ok(Math.min(...times.latencies) >= 1.5, `${times.latencies}`);
    assert.ok(times.wallSeconds >= 0.003);
  }
  assert.deepEqual(seen, [0, 1, 2, 3, 4, 0, 1, 2]);
});

test('a loop ends by its seconds, makes one run at least, and runs as many calls at once as told', async () => {
  const one = slow();
  assert.equal((await looperOf(one.session).loop(feeds, { seconds: 0 })).runs, 1);
  const { session, most } = slow();
  const times = await looperOf(session, { parallel: 3 }).loop(feeds, { seconds: 0.05 });
  assert.equal(most(), 3);
  assert.ok(times.wallSeconds < 0.5 && times.runs > 3);
});

test('an aborted loop throws, and one without feeds is refused', async () => {
  const { session } = slow();
  await assert.rejects(
    looperOf(session).loop(feeds, { signal: AbortSignal.abort(new Error('enough')) }),
    /enough/,
  );
  await assert.rejects(looperOf(session).loop([], {}), { code: 'FEED_MISMATCH' });
});

test('shuffled feeds are the same feeds in another order', async () => {
  const { session, seen } = slow();
  const looper = shuffledFeeds(looperOf(session), 3);
  for (let i = 0; i < 3; i++) await looper.loop(feeds, { runs: 5 });
  const orders = [0, 5, 10].map((at) => seen.slice(at, at + 5));
  for (const order of orders) assert.deepEqual(order.toSorted(), [0, 1, 2, 3, 4]);
  assert.notDeepEqual(orders[0], orders[1]);
});
