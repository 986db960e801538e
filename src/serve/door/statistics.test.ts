import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Happened } from '../ports.ts';
import { Statistics } from './statistics.ts';

const request = (samples: number, batch: number, more: Partial<Happened> = {}): Happened => ({
  ...{ protocol: 'rest', model: 'm', version: '1', key: undefined, status: 200, totalMs: 10 },
  ...{ bytesIn: 0, bytesOut: 0, startedAt: 1000 },
  meter: { version: '1', queueMs: 2, computeMs: 5, cpuSeconds: 0, batch, samples },
  ...more,
});

test('samples and whole batches are counted, whoever shared them', () => {
  const statistics = new Statistics();
  // One batch of 8 that three requests shared, and one of 2 alone.
  for (const samples of [1, 3, 4]) statistics.add(request(samples, 8));
  statistics.add(request(2, 2));
  const of = statistics.of('m', '1');
  assert.deepEqual([of.inference_count, of.execution_count, of.last_inference], [10, 2, 1010]);
  assert.deepEqual(of.inference_stats.success, { count: 4, ns: 40e6 });
  assert.deepEqual(of.inference_stats.queue, { count: 4, ns: 8e6 });
  assert.deepEqual(of.inference_stats.compute_infer, { count: 2, ns: 10e6 });
  assert.deepEqual(
    of.batch_stats.map((one) => [one.batch_size, one.compute_infer.count]),
    [
      [2, 1],
      [8, 1],
    ],
  );
});

test('failures and cached answers are told apart, strangers are not counted', () => {
  const statistics = new Statistics();
  statistics.add(request(1, 1, { status: 400, meter: undefined }));
  statistics.add(request(1, 1, { meter: { ...request(1, 1).meter!, cached: true } }));
  statistics.add(request(1, 1, { model: 'whatever', version: '', status: 404 }));
  const of = statistics.of('m', '1');
  assert.deepEqual(
    [of.inference_stats.fail.count, of.inference_stats.cache_hit.count, of.execution_count],
    [1, 1, 0],
  );
  assert.equal(statistics.of('whatever', '').inference_stats.fail.count, 0);
  statistics.keepOnly(new Map([['m', ['2']]]));
  assert.equal(statistics.of('m', '1').inference_count, 0);
});
