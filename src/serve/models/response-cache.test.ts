import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { addModel } from '../../../test/run-models.ts';
import { Tensor } from '../../graph/index.ts';
import { openSession } from '../../run/index.ts';
import { Batcher } from '../batch/batcher.ts';
import { ThreadEngine } from '../compute/thread-engine.ts';
import type { Served } from '../ports.ts';
import { CachedServed, ResponseCache } from './response-cache.ts';

let engine: ThreadEngine;
before(async () => {
  engine = new ThreadEngine(await openSession(addModel([1, 2]), { threads: 1 }), 1, 1);
});
after(() => engine.dispose());

const over = (cache: ResponseCache, version = '1') =>
  new CachedServed(new Batcher(engine, { name: 'm', version, goalMs: 60_000 }), cache);

async function ask(served: Served, values: ArrayLike<number>, outputs?: readonly string[], rows = 1) {
  const ticket = served.take({ shapes: { x: [rows, 2] }, outputs });
  ticket.give('x', Tensor.float32([rows, 2], values));
  const { fetches, meter } = await ticket.submit();
  return {
    names: Object.keys(fetches),
    first: Object.values(fetches)[0]!.numbers(),
    cached: meter.cached === true,
  };
}

test('the same request is computed once; another byte, shape, output or version is another request', async () => {
  const cache = new ResponseCache(1e6);
  const served = over(cache);
  const wanted = { names: ['y', 'z'], first: [2, 4] };
  assert.deepEqual(await ask(served, [1, 2]), { ...wanted, cached: false });
  assert.deepEqual(await ask(served, [1, 2]), { ...wanted, cached: true });
  assert.deepEqual(await ask(served, [1, 3]), { names: ['y', 'z'], first: [2, 5], cached: false });
  assert.deepEqual(await ask(served, [1, 2], ['y']), { names: ['y'], first: [2, 4], cached: false });
  assert.deepEqual(await ask(served, [1, 2], ['y']), { names: ['y'], first: [2, 4], cached: true });
  assert.equal((await ask(served, [1, 2, 1, 2], undefined, 2)).cached, false);
  // -0 is 0, but its bytes are others.
  assert.equal((await ask(served, [0, 0])).cached, false);
  assert.equal((await ask(served, [-0, 0])).cached, false);
  assert.equal((await ask(over(cache, '2'), [1, 2])).cached, false);
  assert.equal(
    (await ask(over(cache), [1, 2])).cached,
    false,
    'the same name after a reload is another model',
  );
  assert.deepEqual([cache.hits, cache.misses], [2, 8]);
});

test('a hash that says the same of others does not give them the answer', () => {
  const cache = new ResponseCache(1e6);
  const one = { x: Tensor.float32([1], [1]) };
  cache.keep('h', one, 'o', { y: Tensor.float32([1], [10]) }, 1);
  assert.equal(cache.find('h', { x: Tensor.float32([1], [2]) }, 'o'), undefined);
  assert.equal(cache.find('h', { x: Tensor.float32([1, 1], [1]) }, 'o'), undefined);
  assert.equal(cache.find('h', { x: Tensor.of('int32', [1], Int32Array.of(0x3f800000)) }, 'o'), undefined);
  assert.equal(cache.find('h', { ...one, z: one.x }, 'o'), undefined);
  assert.equal(cache.find('h', one, 'p'), undefined);
  assert.deepEqual(cache.find('h', one, 'o')?.fetches.y?.numbers(), [10]);
});

test('bytes are bounded: the longest unused goes, and what is too large never comes', async () => {
  const cache = new ResponseCache(20_000);
  const served = over(cache);
  for (let i = 0; i < 100; i++) {
    await ask(served, [i, 0]);
    await ask(served, [0, 0]);
    assert.ok(cache.bytes <= 20_000);
  }
  assert.ok(cache.size > 10 && cache.size < 60);
  assert.equal((await ask(served, [0, 0])).cached, true);
  assert.equal((await ask(served, [1, 0])).cached, false);
  const before = cache.size;
  await ask(served, new Array(4000).fill(1), undefined, 2000);
  assert.equal(cache.size, before);
});

test('what is kept cannot be changed by whoever wrote the request', async () => {
  const served = over(new ResponseCache(1e6));
  const memory = Float32Array.of(5, 5);
  await ask(served, memory);
  memory.fill(6);
  assert.equal((await ask(served, [6, 6])).cached, false);
  assert.deepEqual(await ask(served, [5, 5]), { names: ['y', 'z'], first: [6, 7], cached: true });
});
