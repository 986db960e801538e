import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ModicumError, SILENT } from '../../base/index.ts';
import {
  type Attribute,
  attr,
  encodeModel,
  type Model,
  makeGraph,
  makeModel,
  makeNode,
  Tensor,
  tensorType,
} from '../../graph/index.ts';
import { openSession } from '../../run/index.ts';
import { upgradeOpset } from './upgrade-opset.ts';

/** One operator of an old opset on x [2, 3, 4]. */
function old(
  op: string,
  opset: number,
  attributes: Record<string, Attribute>,
  weights: Record<string, Tensor> = {},
  outputs = 1,
): Model {
  const names = Array.from({ length: outputs }, (_, i) => `y${i}`);
  return makeModel(
    makeGraph({
      inputs: [{ name: 'x', type: tensorType('float32', [2, 3, 4]) }],
      outputs: names.map((name) => ({ name, type: tensorType('float32', undefined) })),
      nodes: [makeNode(op, ['x', ...Object.keys(weights)], names, attributes, { name: 'it' })],
      initializers: new Map(Object.entries(weights)),
    }),
    opset,
    { irVersion: opset < 9 ? 4 : 6 },
  );
}
const upgrade = (model: Model, to: number, required = true) =>
  upgradeOpset.apply(model, { to, required }, { progress: SILENT, seed: 1 });

async function answers(model: Model): Promise<number[][]> {
  const session = await openSession(model, { threads: 1, level: 'disabled' });
  try {
    const x = Tensor.float32(
      [2, 3, 4],
      Float32Array.from({ length: 24 }, (_, i) => Math.sin(i * 1.7) * 2),
    );
    const found = await session.run({ x });
    return Object.values(found).map((tensor) => [...tensor.dims, ...tensor.numbers()]);
  } finally {
    await session.dispose();
  }
}

const CASES: Record<string, Model> = {
  'Softmax over two axes': old('Softmax', 11, { axis: attr.int(1) }),
  'Softmax over all axes': old('Softmax', 9, { axis: attr.int(0) }),
  'LogSoftmax, default axis': old('LogSoftmax', 11, {}),
  'Hardmax on the last axis': old('Hardmax', 11, { axis: attr.int(2) }),
  'Clip of one bound': old('Clip', 9, { max: attr.float(0.5) }),
  'Clip without bounds': old('Clip', 9, {}),
  'Pad with a value': old('Pad', 9, { pads: attr.ints([0, 1, 0, 0, 0, 2]), value: attr.float(7) }),
  'Pad by reflection': old('Pad', 9, { pads: attr.ints([0, 0, 2, 0, 0, 1]), mode: attr.string('reflect') }),
  'Slice to the end': old('Slice', 9, {
    starts: attr.ints([1]),
    ends: { type: 'ints', value: [9223372036854775807n] },
    axes: attr.ints([2]),
  }),
  'Slice without axes': old('Slice', 9, { starts: attr.ints([0, 1]), ends: attr.ints([2, -1]) }),
  Unsqueeze: old('Unsqueeze', 11, { axes: attr.ints([0, 4]) }),
  ReduceSum: old('ReduceSum', 11, { axes: attr.ints([1]), keepdims: attr.int(0) }),
  'ReduceMax of all': old('ReduceMax', 12, {}),
  ReduceMean: old('ReduceMean', 9, { axes: attr.ints([-1]) }),
  'Split by sizes': old('Split', 11, { axis: attr.int(2), split: attr.ints([1, 3]) }, {}, 2),
  'Split in halves': old('Split', 9, { axis: attr.int(0) }, {}, 2),
  Dropout: old('Dropout', 9, { ratio: attr.float(0.3) }),
  TopK: old('TopK', 9, { k: attr.int(2), axis: attr.int(1) }, {}, 1),
  Upsample: old('Upsample', 7, { scales: attr.floats([1, 1, 2]), mode: attr.string('nearest') }),
  'Upsample by input': old(
    'Upsample',
    9,
    { mode: attr.string('nearest') },
    { s: Tensor.float32([3], [1, 2, 2]) },
  ),
  PRelu: old('PRelu', 7, {}, { slope: Tensor.float32([3, 1], [0.1, 0.2, 0.3]) }),
};

for (const [name, model] of Object.entries(CASES)) {
  test(`upgrade: ${name}`, async (t) => {
    if (name === 'TopK') model.graph.nodes[0]!.outputs.push('indices');
    const wanted = await answers(model).catch((cause: Error) => cause);
    if (wanted instanceof Error) return t.skip(`the runtime does not run it: ${wanted.message.slice(0, 80)}`);
    for (const to of [13, 18, 21]) {
      const before = encodeModel(model);
      const { model: newer, modified } = await upgrade(model, to);
      assert.ok(modified && newer.opsets.get('') === to);
      assert.ok(Buffer.compare(before, encodeModel(model)) === 0);
      assert.deepEqual(await answers(newer), wanted, `opset ${to}`);
    }
  });
}

test('upgrade: what cannot be said is refused by name, or left with a note', async () => {
  const spatial = old('BatchNormalization', 7, { spatial: attr.int(0) }, {});
  const refused = (thrown: unknown) =>
    thrown instanceof ModicumError && thrown.code === 'OPSET_NOT_CONVERTED' && /it: /.test(thrown.message);
  await assert.rejects(upgrade(spatial, 13), refused);
  const { modified, notes, model } = await upgrade(spatial, 13, false);
  assert.ok(!modified && model === spatial);
  assert.match(notes[0]!.why, /spatial=0/);
  assert.equal((await upgrade(old('Relu', 15, {}), 13)).modified, false);
  await assert.rejects(
    upgrade(old('Relu', 15, {}), 99),
    (thrown) => thrown instanceof ModicumError && thrown.code === 'USAGE_BAD_OPTION',
  );
});

test('upgrade: before opset 7 B is stretched from an axis on', async () => {
  const model = old(
    'Add',
    6,
    { broadcast: attr.int(1), axis: attr.int(1) },
    { b: Tensor.float32([3], [10, 20, 30]) },
  );
  const { model: newer } = await upgrade(model, 13);
  const [found] = await answers(newer);
  const x = (i: number) => Math.fround(Math.sin(i * 1.7) * 2);
  assert.deepEqual(
    found!.slice(3),
    Array.from({ length: 24 }, (_, i) => Math.fround(x(i) + 10 * (1 + (Math.floor(i / 4) % 3)))),
  );
});
