import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Passes } from './passes.ts';

test('a pass holds for its name and its time, with whom issued it', () => {
  const passes = new Passes();
  const pass = passes.issue('name', 1000);
  assert.ok(passes.holds(pass, 'name', 1000));
  assert.ok(passes.holds(pass, 'name', 1000 + 9 * 60_000));
  assert.ok(!passes.holds(pass, 'name', 1000 + 11 * 60_000));
  assert.ok(!passes.holds(pass, 'name2', 1000));
  assert.ok(!new Passes().holds(pass, 'name', 1000));
  for (const bad of [undefined, '', '.', `${pass}x`.repeat(3), ['a'], 'Infinity.AAAA']) {
    assert.ok(!passes.holds(bad, 'name', 1000), String(bad));
  }
});
