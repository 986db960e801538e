import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkDepth } from './json-depth.ts';

const check = (text: string, most: number) => checkDepth(Buffer.from(text), most);

test('depth is that of lists and objects together, whatever stands in strings', () => {
  check('[[[]]]', 3);
  check('{"a":[{"b":1}]}', 3);
  check('[[],[],[],[],[]]', 2);
  check(JSON.stringify({ a: '[[[[{{{{', b: '\\"[[[[', c: ['\\', '[[['] }), 2);
  for (const text of [
    '[[[[]]]]',
    '{"a":{"a":{"a":{}}}}',
    '["\\"",[[[1]]]]',
    '[[[[',
    `${'[]'.repeat(50)}[[[[`,
  ]) {
    assert.throws(() => check(text, 3), { code: 'REQUEST_INVALID' }, text);
  }
});

test('it agrees with JSON.parse on random JSON', () => {
  const depthOf = (value: unknown): number =>
    typeof value === 'object' && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;
  let seed = 1;
  const below = (n: number) => {
    seed = (seed * 48271) % 2147483647;
    return seed % n;
  };
  const make = (left: number): unknown => {
    const kind = below(left > 0 ? 5 : 2);
    if (kind < 2) return ['[{"\\', 1.5][kind];
    const inner = Array.from({ length: below(4) }, () => make(left - 1));
    return kind < 4 ? inner : Object.fromEntries(inner.map((value, i) => [`]}"${i}`, value]));
  };
  for (let i = 0; i < 500; i++) {
    const value = make(6);
    const [text, depth] = [JSON.stringify(value), depthOf(value)];
    check(text, depth);
    if (depth > 0) assert.throws(() => check(text, depth - 1), { code: 'REQUEST_INVALID' }, text);
  }
});
