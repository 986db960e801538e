import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pace } from './pace.ts';

test('a body must end in time, and be fast enough after its first seconds; an answer must be read in time', () => {
  let now = 0;
  const pace = new Pace({ bodyMs: 60_000, bytesPerSecond: 100, answerMs: 20_000 }, () => now);
  const late: string[] = [];
  const watched = (name: string, bytes: () => number) => ({
    startedAt: 0,
    get bytes() {
      return bytes();
    },
    late: (error: Error) => late.push(`${name}: ${error.message}`),
  });
  const endStill = pace.body(watched('still', () => 10));
  const endSteady = pace.body(watched('steady', () => now / 5));
  const endRead = pace.answer(watched('answer', () => 0));
  try {
    now = 5000;
    pace.look();
    assert.deepEqual(late, []);
    now = 6000;
    pace.look();
    assert.match(late.join(), /^still: .*100 bytes a second$/);
    endStill();
    now = 19_000;
    pace.look();
    assert.equal(late.length, 1);
    now = 21_000;
    pace.look();
    assert.match(late[1]!, /^answer: .*20000 ms$/);
    endRead();
    now = 61_000;
    pace.look();
    assert.match(late[2]!, /^steady: .*60000 ms$/);
    endSteady();
    pace.look();
    assert.equal(late.length, 3);
  } finally {
    pace.close();
  }
});
