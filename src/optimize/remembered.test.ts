import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Tensor } from '../graph/index.ts';
import type { Feeds, Session } from '../run/index.ts';
import { remembered } from './remembered.ts';

function counting(): { session: Session; asked: Feeds[] } {
  const asked: Feeds[] = [];
  return {
    asked,
    session: {
      inputs: [],
      outputs: [],
      metadata: new Map(),
      run(feeds) {
        asked.push(feeds);
        if (asked.length === 3) return Promise.reject(new Error('third time'));
        return Promise.resolve({ y: Tensor.float32([1], [asked.length]) });
      },
      dispose: () => Promise.resolve(),
    },
  };
}

test('the same content is asked once, other values, shapes and names anew, failures again', async () => {
  const { session, asked } = counting();
  const memory = remembered(session);
  const x = (values: number[], dims = [values.length]) => ({ x: Tensor.float32(dims, values) });
  const both = await Promise.all([memory.run(x([1, 2])), memory.run(x([1, 2]))]);
  assert.equal(asked.length, 1, 'also while the first is under way');
  assert.equal(both[0], both[1]);
  await memory.run(x([1, 3]));
  assert.equal(asked.length, 2);
  await assert.rejects(memory.run(x([1, 2], [2, 1])), /third time/);
  await memory.run(x([1, 2], [2, 1]));
  await memory.run({ z: Tensor.float32([2], [1, 2]) });
  assert.equal(asked.length, 5);
  await memory.run(x([1, 2]), { outputs: ['y'] });
  assert.equal(asked.length, 6, 'a choice of outputs is passed through');
});
