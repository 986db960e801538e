import assert from 'node:assert/strict';
import { test } from 'node:test';
import { finiteDifferences } from './index.ts';

test('derivatives to nine digits, of small and of large arguments, and the arguments stay', () => {
  const x = Float64Array.of(0.3, -2, 1e4);
  const f = ([a, b, c]: Float64Array) => Math.sin(a!) * b! ** 3 + Math.log(c!);
  const wanted = [Math.cos(0.3) * -8, Math.sin(0.3) * 12, 1e-4];
  for (const [i, slope] of finiteDifferences(f, x).entries())
    assert.ok(
      Math.abs(slope - wanted[i]!) < 1e-9 * Math.max(1, Math.abs(wanted[i]!)),
      `${slope}, not ${wanted[i]}`,
    );
  assert.deepEqual([...x], [0.3, -2, 1e4]);
});

test('the step is the one that is asked for', () => {
  // Central differences of x^3 are 3 x^2 + h^2.
  const [slope] = finiteDifferences(([x]) => x! ** 3, Float64Array.of(1), 0.5);
  assert.equal(slope, 3.25);
});
