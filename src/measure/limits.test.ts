import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { availableCores, describeMachine } from '../run/index.ts';
import { type Limits, limitFor, machineLimits } from './limits.ts';
import { distanceToLimits } from './roofline.ts';

const made = (float32: number, int8: number, bandwidth: number): Limits => ({
  machine: 'm',
  records: [1, 4].flatMap((threads) =>
    Object.entries({ 'limit.float32': float32, 'limit.int8': int8, 'limit.bandwidth': bandwidth }).map(
      ([what, value]) => ({
        what,
        value: value * threads,
        unit: 'op/s',
        how: 'measured' as const,
        method: '',
        n: 1,
        settings: { threads },
        machine: 'm',
        at: '2026-01-01T00:00:00Z',
      }),
    ),
  ),
});

test('limits are measured once, kept by machine, and measured again when the file is damaged', async (t) => {
  const cache = await mkdtemp(join(tmpdir(), 'modicum-limits-'));
  t.after(() => rm(cache, { recursive: true, force: true }));
  const options = { cache, seconds: 0.05 };
  const first = await machineLimits(options);
  const kinds = ['limit.float32', 'limit.int8', 'limit.bandwidth'];
  assert.equal(first.records.length, kinds.length * (availableCores() > 1 ? 2 : 1));
  for (const what of kinds) {
    for (const record of first.records.filter((one) => one.what === what)) {
      // From the slowest boards to the largest servers.
      assert.ok(record.value > 1e8 && record.value < 1e15, `${what}: ${record.value}`);
      assert.ok(record.interval!.low <= record.value && record.value <= record.interval!.high);
    }
  }
  assert.deepEqual(await readdir(cache), [`limits-${describeMachine().id}.json`]);
  const path = join(cache, `limits-${describeMachine().id}.json`);
  assert.deepEqual(await machineLimits(options), first);
  const text = await readFile(path, 'utf8');
  await writeFile(path, text.replaceAll('"what": "limit.int8"', '"what": "limit.int9"'));
  const again = await machineLimits({ ...options, seconds: 0.02 });
  assert.notDeepEqual(again, first);
  assert.deepEqual(JSON.parse(await readFile(path, 'utf8')), JSON.parse(JSON.stringify(again)));
});

test('limits between two numbers of threads lie on the line, beyond them they stay', () => {
  const limits = made(10, 40, 5);
  assert.equal(limitFor(limits, 'limit.float32', 1), 10);
  assert.equal(limitFor(limits, 'limit.float32', 2), 20);
  assert.equal(limitFor(limits, 'limit.int8', 8), 160);
  assert.ok(Number.isNaN(limitFor(limits, 'limit.none', 1)));
});

test('the roofline: the larger of arithmetic and memory decides', () => {
  const limits = made(100, 400, 10);
  const heavy = distanceToLimits({ macs: 1000, bytes: 10 }, 40, 1, limits);
  assert.deepEqual([heavy.bound, heavy.attainableSeconds, heavy.share], ['arithmetic', 20, 0.5]);
  const mixed = distanceToLimits({ macs: 500, integerMacs: 2000, bytes: 10 }, 40, 1, limits);
  assert.equal(mixed.attainableSeconds, 20);
  const wide = distanceToLimits({ macs: 1, bytes: 1000 }, 50, 1, limits);
  assert.deepEqual([wide.bound, wide.attainableSeconds, wide.share], ['memory', 100, 2]);
  assert.match(wide.records[1]!.method, /caches/);
  // More threads only raise the limits.
  assert.ok(
    distanceToLimits({ macs: 1000, bytes: 10 }, 40, 2, limits).attainableSeconds < heavy.attainableSeconds,
  );
});
