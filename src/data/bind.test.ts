import assert from 'node:assert/strict';
import test from 'node:test';
import { type DType, type Shape, Tensor } from '../graph/index.ts';
import { type BindOptions, bind, inMemory, planBatch } from './index.ts';

const port = (name: string, dtype: DType, shape: Shape) => ({ name, dtype, shape });

function zeros(dims: number[], name = 'x') {
  return inMemory({ [name]: Tensor.float32(dims, new Float32Array(dims.reduce((a, b) => a * b, 1))) });
}

async function batches(
  dataset: Parameters<typeof bind>[0],
  inputs: Parameters<typeof bind>[1],
  options?: BindOptions,
) {
  const list = [];
  for await (const batch of bind(dataset, inputs, options)) list.push(batch);
  return list;
}

test('one field feeds one input under the name of the input, with a batch axis', async () => {
  const list = await batches(zeros([5, 3]), [port('in', 'float32', ['N', 3])], { batch: 2 });
  assert.deepEqual(
    list.map(({ feeds }) => feeds.in?.dims),
    [
      [2, 3],
      [2, 3],
      [1, 3],
    ],
  );
});

test('several fields go by name; what the model does not know stays out, what it misses is an error', async () => {
  const x = Tensor.float32([2, 1], [1, 2]);
  const dataset = inMemory({ a: x, b: x, c: x });
  const inputs = [port('b', 'float32', [null, 1]), port('a', 'float32', [null, 1])];
  const [batch] = await batches(dataset, inputs);
  assert.deepEqual(Object.keys(batch?.feeds ?? {}).sort(), ['a', 'b']);
  assert.match(planBatch(dataset, inputs).notes.join(), /c is no input/);
  assert.throws(() => bind(dataset, [port('d', 'float32', [null, 1])]), {
    code: 'DATA_NAMES_MISMATCH',
    message: /wants d, memory has a, b, c; d missing/,
  });
});

test('a sample with the rank of the input is a whole input, one per run', async () => {
  const dataset = inMemory({
    input: Tensor.float32([3, 1, 4], new Float32Array(12)),
    state: Tensor.float32([3, 2, 1, 5], new Float32Array(30)),
    sr: Tensor.int64([3], [16000, 16000, 16000]),
  });
  const inputs = [
    port('input', 'float32', [null, null]),
    port('state', 'float32', [2, null, 5]),
    port('sr', 'int64', []),
  ];
  const list = await batches(dataset, inputs, { batch: 8 });
  assert.equal(list.length, 3);
  assert.deepEqual(list[0]?.feeds.input?.dims, [1, 4]);
  assert.deepEqual(list[0]?.feeds.state?.dims, [2, 1, 5]);
  assert.deepEqual(list[0]?.feeds.sr?.dims, []);
});

test('dimensions of size 1 may differ, nothing else', async () => {
  const [batch] = await batches(zeros([2, 49, 10]), [port('x', 'float32', ['N', 49, 10, 1])]);
  assert.deepEqual(batch?.feeds.x?.dims, [2, 49, 10, 1]);
  const [grey] = await batches(zeros([2, 28, 28]), [port('x', 'float32', [1, 1, 28, 28])]);
  assert.deepEqual(grey?.feeds.x?.dims, [1, 1, 28, 28]);
  const [open] = await batches(zeros([2, 28, 1, 1, 1]), [port('x', 'float32', ['N', 'H', 'W'])]);
  assert.deepEqual(open?.feeds.x?.dims, [2, 28, 1]);
  for (const shape of [
    ['N', 10, 49],
    ['N', 490],
    ['N', 49, 10, 2],
    ['N', 1],
  ]) {
    assert.throws(() => bind(zeros([2, 49, 10]), [port('x', 'float32', shape)]), {
      code: 'DATA_SHAPE_MISMATCH',
      message: new RegExp(`\\[49,10\\].*\\[${shape.join(',')}\\]`),
    });
  }
});

test('a model of a fixed batch gets whole batches of it; the rest is left out and said', async () => {
  const inputs = [port('x', 'float32', [4, 3])];
  const plan = planBatch(zeros([10, 3]), inputs, 32);
  assert.deepEqual([plan.batch, plan.fixed, plan.dropped], [4, true, 2]);
  assert.match(plan.notes.join(), /last 2 of 10 are left out/);
  const list = await batches(zeros([10, 3]), inputs);
  assert.deepEqual(
    list.map(({ feeds }) => feeds.x?.dims),
    [
      [4, 3],
      [4, 3],
    ],
  );
  assert.throws(() => planBatch(zeros([3, 3]), inputs), { code: 'DATA_TOO_FEW' });
  assert.equal(planBatch(zeros([3, 3]), [port('x', 'float32', [1, 3])]).batch, 1);
});

test('floats become float32 and integers wider ones; narrowing is refused', async () => {
  const cases: [DType, DType, boolean][] = [
    ['float64', 'float32', true],
    ['float16', 'float32', true],
    ['int32', 'int64', true],
    ['uint8', 'int32', true],
    ['int64', 'int32', false],
    ['int8', 'uint8', false],
    ['uint8', 'float32', false],
    ['float32', 'int32', false],
    ['float32', 'float16', false],
  ];
  for (const [from, to, fits] of cases) {
    const bytes = new Uint8Array(from === 'uint8' || from === 'int8' ? 2 : 16);
    const count = { float64: 2, int64: 2, float32: 4, int32: 4, float16: 8 }[from as string] ?? 2;
    const dataset = inMemory({ x: Tensor.ofBytes(from, [count], bytes) });
    const inputs = [port('x', to, [null])];
    if (fits) assert.equal((await batches(dataset, inputs))[0]?.feeds.x?.dtype, to);
    else assert.throws(() => bind(dataset, inputs), { code: 'DATA_DTYPE_MISMATCH' }, `${from} to ${to}`);
  }
  const values = inMemory({ x: Tensor.float32([3], [1, 1 + 2 ** -11, 65519]) });
  const [narrow] = await batches(values, [port('x', 'float16', [null])], { narrow: true });
  assert.deepEqual(Array.from(narrow?.feeds.x?.data() as Uint16Array), [0x3c00, 0x3c00, 0x7bff]);
});

test('NaN and infinity are refused with the number of the sample, unless they are allowed', async () => {
  const dataset = inMemory({ x: Tensor.float32([3, 2], [1, 2, 3, Number.NaN, 5, 6]) });
  const inputs = [port('x', 'float32', [null, 2])];
  await assert.rejects(batches(dataset, inputs), { code: 'DATA_NOT_FINITE', message: /sample 1 .* NaN/ });
  assert.equal((await batches(dataset, inputs, { checkFinite: false })).length, 1);
  assert.equal((await batches(dataset, inputs, { indices: [0, 2] })).length, 1);
  const half = inMemory({ x: Tensor.of('float16', [2], Uint16Array.of(0, 0x7c00)) });
  await assert.rejects(batches(half, [port('x', 'float32', [null])]), { message: /sample 1 / });
});

test('labels and numbers of samples pass through', async () => {
  const labelled = inMemory({ x: Tensor.float32([4], [0, 1, 2, 3]) }, Tensor.int64([4], [5, 6, 7, 8]));
  const [batch] = await batches(labelled, [port('x', 'float32', [null])], { indices: [1, 3] });
  assert.deepEqual(batch?.indices, [1, 3]);
  assert.deepEqual(batch?.labels?.numbers(), [6, 8]);
});

test('an abort stops the reading', async () => {
  const signal = AbortSignal.abort();
  await assert.rejects(batches(zeros([4, 1]), [port('x', 'float32', [null, 1])], { signal }), {
    name: 'AbortError',
  });
});
