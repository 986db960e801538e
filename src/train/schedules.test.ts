import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rateAt, SCHEDULES, scheduleByName } from './schedules.ts';

test('a rate rises along a line, then follows its schedule to the end', () => {
  const rates = (name: keyof typeof SCHEDULES) =>
    [0, 1, 3, 4, 54, 79, 104].map((step) => rateAt(SCHEDULES[name], 2, step, 104, 4));
  assert.deepEqual(rates('constant'), [0.5, 1, 2, 2, 2, 2, 2]);
  assert.deepEqual(rates('linear'), [0.5, 1, 2, 2, 1, 0.5, 0]);
  assert.deepEqual(rates('step'), [0.5, 1, 2, 2, 0.2, 0.02, 0.02]);
  const cosine = rates('cosine');
  assert.ok(Math.abs(cosine[4]! - 1.01) < 1e-9 && Math.abs(cosine[6]! - 0.02) < 1e-9);
  assert.equal(rateAt(SCHEDULES.cosine, 2, 0, 100, 0), 2);
  assert.throws(() => scheduleByName('spiral'), { code: 'USAGE_BAD_OPTION' });
});
