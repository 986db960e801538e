import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../src/base/index.ts';
import { fuzz, fuzzSamples } from './fuzz.ts';
import { mutant } from './mutate.ts';

const COUNT = 4000;

test(`${COUNT} mutated models are read or refused by a code of their own, soon and in little memory`, async (t) => {
  const report = await fuzz(fuzzSamples(), 1_000_000, COUNT);
  t.diagnostic(`${COUNT} mutants: ${JSON.stringify(report.ends)}, slowest ${report.slowestMs} ms`);
  assert.deepEqual(report.faults, []);
  assert.ok(report.slowestMs < 2000, `slowest: ${report.slowestMs} ms`);
  assert.ok(report.grownBytes < 700e6, `grew by ${report.grownBytes} bytes`);
  const { sound = 0, read = 0, ...refused } = report.ends;
  assert.ok(sound + read > COUNT / 100, 'some mutants are still models');
  assert.ok(Object.values(refused).reduce((a, b) => a + b, 0) > COUNT / 4, 'and many are none');
});

test('a mutant is made anew from its seed', () => {
  const samples = fuzzSamples();
  for (let seed = 0; seed < 100; seed++)
    assert.deepEqual(mutant(samples, new Random(seed)), mutant(samples, new Random(seed)));
});
