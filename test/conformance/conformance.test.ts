import { test } from 'node:test';
import { withCases } from './cases.ts';
import { holdToKnownFailures } from './known-failures.ts';

test('every official case survives reading and writing with equal outputs', async (t) => {
  const counts = await withCases(holdToKnownFailures);
  if (counts === undefined) return t.skip('data absent');
  for (const line of counts) t.diagnostic(line);
});
