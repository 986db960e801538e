import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeGraph, makeModel, makeNode, Tensor, tensorType } from '../../graph/index.ts';
import { compileModel } from '../compile/compile.ts';
import { openCompiled } from './open-compiled.ts';

/** Rows of a table by number. */
function table() {
  return makeModel(
    makeGraph({
      inputs: [{ name: 'ids', type: tensorType('int64', [2]) }],
      outputs: [{ name: 'rows', type: tensorType('float32', [2, 3]) }],
      nodes: [makeNode('Gather', ['table', 'ids'], ['rows'])],
      initializers: new Map([['table', Tensor.float32([2, 3], [1, 2, 3, 4, 5, 6])]]),
    }),
    17,
  );
}

test('a compiled model is a session', async () => {
  const session = await openCompiled(compileModel(table()).wasm);
  assert.deepEqual(session.inputs, [{ name: 'ids', dtype: 'int64', shape: [2] }]);
  const ids = (...values: number[]) => ({ ids: Tensor.int64([values.length], values) });
  assert.deepEqual((await session.run(ids(1, -2))).rows?.numbers(), [4, 5, 6, 1, 2, 3]);
  assert.deepEqual(await session.run(ids(0, 0), { outputs: [] }), {});
  const refused = (feeds: Record<string, Tensor>, code: string) =>
    assert.rejects(session.run(feeds), { code });
  await refused({}, 'FEED_MISMATCH');
  await refused(ids(1, 1, 1), 'FEED_MISMATCH');
  await refused({ ...ids(0, 1), more: Tensor.int64([1], [1]) }, 'FEED_MISMATCH');
  await refused({ ids: Tensor.float32([2], [0, 1]) }, 'FEED_MISMATCH');
  await assert.rejects(session.run(ids(0, 1), { outputs: ['columns'] }), { code: 'FEED_MISMATCH' });
  // An index that is not there reads nothing else, and the session lives on.
  await refused(ids(2, 0), 'RUNTIME_FAILED');
  await refused(ids(0, -3), 'RUNTIME_FAILED');
  assert.deepEqual((await session.run(ids(0, 1))).rows?.numbers(), [1, 2, 3, 4, 5, 6]);
  await session.dispose();
  await refused(ids(0, 1), 'SESSION_CLOSED');
});

test('bytes that are no compiled model are refused', async () => {
  await assert.rejects(openCompiled(Uint8Array.of(1, 2, 3)), { code: 'EDGE_INVALID' });
  await assert.rejects(openCompiled(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0)), {
    code: 'EDGE_INVALID',
  });
});

test('what cannot be compiled is said in one message', () => {
  const model = table();
  model.graph.nodes.push(makeNode('Det', ['square'], ['d']), makeNode('Cos', ['rows'], ['c']));
  model.graph.inputs.push({ name: 'square', type: tensorType('float32', [2, 2]) });
  model.graph.outputs.push(
    { name: 'd', type: tensorType('float32', undefined) },
    { name: 'c', type: tensorType('float32', undefined) },
  );
  assert.throws(() => compileModel(model), {
    code: 'EDGE_UNSUPPORTED',
    message: /1 x Det \(no kernel\); 1 x Cos \(no kernel\)/,
  });
  assert.throws(() => compileModel(table(), { maxBytes: 100 }), { code: 'EDGE_TOO_LARGE' });
  const open = table();
  open.graph.inputs = [{ name: 'ids', type: tensorType('int64', ['n']) }];
  open.graph.outputs = [{ name: 'rows', type: tensorType('float32', undefined) }];
  assert.throws(() => compileModel(open), { code: 'EDGE_DYNAMIC_SHAPE', message: /"ids" is \[n\]/ });
});
