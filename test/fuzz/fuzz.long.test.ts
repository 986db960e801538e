import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fuzz, fuzzSamples } from './fuzz.ts';

const COUNT = Number(process.env.MODICUM_FUZZ ?? 50_000);

test(`${COUNT} more mutated models (MODICUM_FUZZ) are read or refused`, async (t) => {
  const report = await fuzz(fuzzSamples(), 2_000_000, COUNT);
  t.diagnostic(`${COUNT} mutants: ${JSON.stringify(report.ends)}, slowest ${report.slowestMs} ms`);
  assert.deepEqual(report.faults, []);
  assert.ok(report.slowestMs < 2000, `slowest: ${report.slowestMs} ms`);
});
