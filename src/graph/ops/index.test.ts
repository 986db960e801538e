import assert from 'node:assert/strict';
import test from 'node:test';
import { OPS, opKey } from './index.ts';
import type { OpSpec } from './op.ts';

test('every spec stands under its own name', () => {
  for (const [key, spec] of Object.entries<OpSpec>(OPS)) assert.equal(opKey(spec), key);
});

test('opsets rise, and counts of inputs and outputs make sense', () => {
  for (const [key, { since, inputs, outputs }] of Object.entries<OpSpec>(OPS)) {
    assert.ok(since.length > 0 && since.every((version, i) => i === 0 || version > since[i - 1]!), key);
    assert.ok(inputs[0] <= inputs[1] && outputs[0] <= outputs[1], key);
  }
});

test('traits do not contradict each other', () => {
  for (const [key, { traits }] of Object.entries<OpSpec>(OPS)) {
    assert.ok(!(traits.moves && traits.weighted), key);
    assert.ok(!(traits.random && traits.moves), key);
  }
});
