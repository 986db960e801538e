import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Tensor } from '../graph/index.ts';
import { keptApart } from './apart.ts';
import { inMemory } from './memory.ts';

const rows = (...values: number[]) => inMemory({ x: Tensor.float32([values.length, 1], values) });

test('samples of the other data are left out, whatever their place', async () => {
  const { dataset, shared } = await keptApart(rows(1, 2, 3, 4, 2), rows(9, 2, 4));
  assert.deepEqual([dataset.size, shared], [2, 3]);
  for await (const { feeds } of dataset.read()) assert.deepEqual(feeds.x!.numbers(), [1, 3]);
  const apart = rows(5, 6);
  assert.equal((await keptApart(apart, rows(1))).dataset, apart);
  await assert.rejects(keptApart(rows(1, 1), rows(1)), { code: 'DATA_TOO_FEW' });
});
