import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SILENT } from '../../base/index.ts';
import {
  attr,
  encodeModel,
  type Model,
  makeGraph,
  makeModel,
  makeNode,
  type Node,
  Tensor,
  tensorType,
} from '../../graph/index.ts';
import { freeBatch } from './free-batch.ts';

function net(nodes: Node[], weights: Record<string, Tensor>, x: number[], y: number[]): Model {
  return makeModel(
    makeGraph({
      inputs: [{ name: 'x', type: tensorType('float32', x) }],
      outputs: [{ name: 'y', type: tensorType('float32', y) }],
      nodes,
      initializers: new Map(Object.entries(weights)),
    }),
    13,
  );
}
const run = (model: Model) => freeBatch.apply(model, freeBatch.defaults, { progress: SILENT, seed: 1 });
const ints = (...values: number[]) => Tensor.int64([values.length], values);

test('a Reshape to a batch of 1 keeps the batch', async () => {
  for (const target of [ints(1, 6), ints(1, -1), ints(-1, 6), ints(0, 6)]) {
    const model = net([makeNode('Reshape', ['x', 's'], ['y'])], { s: target }, [1, 2, 3], [1, 6]);
    const { model: free, modified } = await run(model);
    assert.ok(modified, String(target.numbers()));
    assert.deepEqual(free.graph.inputs[0]!.type, tensorType('float32', ['batch', 2, 3]));
    assert.deepEqual(free.graph.outputs[0]!.type, tensorType('float32', ['batch', 6]));
    assert.equal((await run(free)).modified, false);
  }
});

test('where samples would mix or the batch is lost, the model stays as it is and the reason is said', async () => {
  const refused = async (model: Model, why: RegExp) => {
    const before = encodeModel(model);
    const { modified, notes, model: same } = await run(model);
    assert.equal(modified, false);
    assert.equal(same, model);
    assert.equal(notes.length, 1);
    assert.match(notes[0]!.why, why);
    assert.ok(Buffer.compare(before, encodeModel(model)) === 0);
  };
  const mean = makeNode('ReduceMean', ['x'], ['m'], { axes: attr.ints([0]), keepdims: attr.int(1) });
  // Each sample less the mean of the batch: 0 for one alone.
  await refused(net([mean, makeNode('Sub', ['x', 'm'], ['y'])], {}, [1, 4], [1, 4]), /change each other/);
  await refused(net([{ ...mean, outputs: ['y'] }], {}, [1, 4], [1, 4]), /does not grow/);
  const softmax = makeNode('Softmax', ['x'], ['y'], { axis: attr.int(0) });
  await refused(net([softmax], {}, [1, 4], [1, 4]), /change each other/);
  // Time and batch share an axis: the second half of a batch is another sample's.
  const folded = [makeNode('Reshape', ['x', 's'], ['h']), makeNode('Gather', ['h', 'i'], ['y'])];
  await refused(net(folded, { s: ints(4, 2), i: ints(0) }, [1, 4, 2], [1, 2]), /./);
  await refused(net([makeNode('Relu', ['x'], ['y'])], {}, [2, 4], [2, 4]), /not a batch of 1/);
  await refused(
    net(
      [makeNode('Concat', ['x', 'w'], ['y'], { axis: attr.int(1) })],
      { w: Tensor.float32([1, 2], [1, 2]) },
      [1, 4],
      [1, 6],
    ),
    /./,
  );
  const state = net([makeNode('Add', ['x', 'h'], ['y'])], {}, [1, 4], [1, 4]);
  state.graph.inputs.push({ name: 'h', type: tensorType('float32', [2, 1, 4]) });
  await refused(state, /first dimension of h is 2/);
});
