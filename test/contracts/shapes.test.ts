import assert from 'node:assert/strict';
import test from 'node:test';
import { loadModel } from '../../src/files/index.ts';
import {
  DTYPES,
  type DType,
  inferShapes,
  type Model,
  makeGraph,
  makeModel,
  makeNode,
  OPS,
  observeShapes,
  type RunModel,
  sizeOf,
  specOf,
  Tensor,
  tensorType,
} from '../../src/graph/index.ts';
import { openSession } from '../../src/run/index.ts';
import { sharedData } from '../shared-data.ts';
import { randomGraph } from './random-graph.ts';
import { CLASSICAL_CASES, CONTRIB_CASES, EDGE_CASES, type NodeCase } from './shapes-cases.ts';

/** Everything the rules say of shapes and dtypes must be what ONNX Runtime shows. */

const run: RunModel = async (model, feeds) => {
  const session = await openSession(model, { threads: 1, level: 'disabled' });
  try {
    return await session.run(feeds);
  } finally {
    await session.dispose();
  }
};

function filled(dtype: Exclude<DType, 'string'>, dims: readonly number[], value: 0 | 1 = 1): Tensor {
  const data = new DTYPES[dtype].array(new ArrayBuffer(8 * Math.max(1, sizeOf(dims))), 0, sizeOf(dims));
  for (let i = 0; i < data.length; i++) data[i] = typeof data[0] === 'bigint' ? BigInt(value) : value;
  return Tensor.of(dtype, dims, data);
}

function operand(text: string): Tensor {
  const [, zero, dtype, dims] = /^(0\*)?(\w+)\[(.*)\]$/.exec(text)!;
  const shape = dims === '' ? [] : dims!.split(',').map(Number);
  return filled(dtype as Exclude<DType, 'string'>, shape, zero === undefined ? 1 : 0);
}

function modelOf(given: NodeCase): { model: Model; feeds: Record<string, Tensor> } {
  const names = given.inputs.map((text, i) => (text === '' ? '' : `x${i}`));
  const [first, ...rest] = given.inputs;
  const fed = operand(first!);
  const outputs = Array.from({ length: given.outputs ?? 1 }, (_, i) => `y${i}`);
  const graph = makeGraph({
    inputs: [{ name: 'x0', type: tensorType(fed.dtype, fed.dims) }],
    outputs: outputs.map((name) => ({ name, type: { kind: 'unknown' } as const })),
    nodes: [makeNode(given.op, names, outputs, given.attributes ?? {}, { domain: given.domain ?? '' })],
    initializers: new Map(
      rest.flatMap((text, i) => (text === '' ? [] : [[`x${i + 1}`, operand(text)] as const])),
    ),
  });
  const opsets = new Map([
    ['', given.opset ?? 21],
    ['com.microsoft', 1],
    ['ai.onnx.ml', 3],
  ]);
  return { model: makeModel(graph, 21, { opsets, irVersion: 8 }), feeds: { x0: fed } };
}

for (const [set, cases] of [
  ['com.microsoft', CONTRIB_CASES],
  ['ai.onnx.ml', CLASSICAL_CASES],
  ['ai.onnx at the edges', EDGE_CASES],
] as const) {
  test(`rules agree with the runtime: ${set}`, async (t) => {
    for (const given of cases) {
      await t.test(`${given.op} ${given.inputs.join(' ')}`, async () => {
        const { model, feeds } = modelOf(given);
        const inferred = inferShapes(model);
        const fetched = await run(model, feeds);
        for (const [name, tensor] of Object.entries(fetched)) {
          const { dtype, shape } = inferred.get(name) ?? {};
          assert.equal(dtype, tensor.dtype, `${name}: dtype`);
          assert.deepEqual(
            shape,
            tensor.dims.map((dim, i) => (shape?.[i] === null ? null : dim)),
            name,
          );
        }
      });
    }
  });
}

test('every op of com.microsoft that has a rule has a case', () => {
  const covered = new Set(CONTRIB_CASES.map(({ op }) => op));
  // The old name of FusedMatMul; what has no kernel for CPUs; kin of MatMulNBits with weights of another packing.
  const exempt = new Set(['TransposeMatMul', 'GroupNorm', 'BiasSoftmax', 'QLinearReduceMean', 'MatMulBnb4']);
  const lacking = Object.values(OPS).filter(
    ({ op, domain }) => domain === 'com.microsoft' && !covered.has(op) && !exempt.has(op),
  );
  assert.deepEqual(
    lacking.map(({ op }) => op),
    [],
  );
});

const SHARED: Record<string, Record<string, readonly number[]>> = {
  'mnist/mnist-8.onnx': {},
  'keywords/alibaba_kws.onnx': {},
  'mlperf-tiny/alibaba_ad.onnx': {},
  'mlperf-tiny/alibaba_vww.onnx': {},
  'magika/model/model.onnx': { bytes: [2, 2048] },
  'ultraface/version-RFB-320_simplified.onnx': {},
  'silero-vad/silero_vad_half.onnx': { input: [1, 576], state: [2, 1, 128] },
  'silero-vad/silero_vad_op18_ifless.onnx': { input: [1, 576], state: [2, 1, 128], sr: [] },
};

for (const [file, inputShapes] of Object.entries(SHARED)) {
  test(`rules agree with what running shows: ${file}`, async (t) => {
    const path = sharedData(file);
    if (path === undefined) return t.skip('data absent');
    const model = await loadModel(path);
    const feeds: Record<string, Tensor> = {};
    for (const { name, type } of model.graph.inputs) {
      if (type.kind !== 'tensor' || type.dtype === 'string' || model.graph.initializers.has(name)) continue;
      const dims = inputShapes[name] ?? (type.shape as number[]);
      feeds[name] = name === 'sr' ? Tensor.int64([], [16000]) : filled(type.dtype, dims);
    }
    const inferred = inferShapes(model, { inputValues: feeds });
    const observed = await observeShapes(model, run, feeds);
    assert.deepEqual([...observed.refused], []);
    assert.deepEqual(inferred.missing, []);
    for (const [name, { dtype, shape }] of observed.values) {
      assert.equal(inferred.get(name)?.dtype, dtype, name);
      assert.deepEqual(inferred.get(name)?.shape, shape, name);
    }
  });
}

test('rules agree with what running shows: random graphs, with given and with symbolic shapes', async () => {
  let [known, all] = [0, 0];
  for (let seed = 1; seed <= 60; seed++) {
    const { model, feeds, story } = randomGraph(seed);
    const observed = await observeShapes(model, run, feeds, { chunk: 1000 });
    const inferred = inferShapes(model, { inputValues: feeds });
    const symbolic = inferShapes(model);
    for (const [name, { dtype, shape }] of observed.values) {
      all += 1;
      for (const said of [inferred.get(name), symbolic.get(name)]) {
        assert.equal(said?.dtype, dtype, `seed ${seed}: ${story}: ${name}`);
        const hidden = shape?.map((dim, i) =>
          typeof said?.shape?.[i] === 'number' ? dim : (said?.shape?.[i] ?? null),
        );
        assert.deepEqual(said?.shape ?? hidden, hidden, `seed ${seed}: ${story}: ${name}`);
      }
      if (inferred.get(name)?.shape?.every((dim) => typeof dim === 'number')) known += 1;
    }
  }
  assert.equal(known, all, 'all shapes are known from those of the feeds');
});

test('a node with a rule is found by its domain', () => {
  assert.equal(specOf({ op: 'Gelu', domain: '' })?.since[0], 20);
  assert.equal(specOf({ op: 'Gelu', domain: 'com.microsoft' })?.since[0], 1);
  assert.equal(specOf({ op: 'Gelu', domain: 'elsewhere' }), undefined);
});
