import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { arbitraryModel } from '../../../test/random-model.ts';
import {
  attr,
  DTYPES,
  type DType,
  decodeModel,
  encodeModel,
  type Model,
  makeGraph,
  makeModel,
  makeNode,
  Tensor,
  tensorType,
} from '../index.ts';
import { decodeTensor } from './decode-tensor.ts';
import { ModelProtoSchema, TensorProtoSchema } from './onnx_pb.ts';

const none = () => {
  throw new Error('no external data here');
};

test('models that hold everything come back from their bytes', () => {
  fc.assert(
    fc.property(arbitraryModel, (model) => {
      const bytes = encodeModel(model);
      const back = decodeModel(bytes);
      assert.deepEqual(Buffer.from(encodeModel(back)), Buffer.from(bytes));
      // deepEqual does not see the bytes of tensors, which the comparison above did; it sees all the rest.
      assert.deepEqual(back.graph.nodes, plain(model).graph.nodes);
      assert.deepEqual([...back.graph.values], [...plain(model).graph.values]);
      assert.deepEqual(
        back.functions.map((fn) => fn.nodes),
        model.functions.map((fn) => fn.nodes).map(wholeNodes),
      );
    }),
    { seed: 4, numRuns: 300 },
  );
});

/** As the reader would have it: absent parts are undefined, ai.onnx is ''. */
function plain(model: Model): Model {
  return { ...model, graph: decodeModel(encodeModel(makeModel(model.graph))).graph };
}

function wholeNodes(nodes: Model['graph']['nodes']): Model['graph']['nodes'] {
  return decodeModel(encodeModel(makeModel(makeGraph({ inputs: [], outputs: [], nodes })))).graph.nodes;
}

test('everything besides the graph comes back too', () => {
  const graph = makeGraph({
    inputs: [],
    outputs: [],
    nodes: [
      { ...makeNode('Relu', ['x'], ['y']), doc: 'why', metadata: new Map([['k', 'v']]), overload: 'o' },
    ],
    initializers: new Map([['w', Tensor.float32([1], [1])]]),
    doc: 'graph doc',
    metadata: new Map([['a', 'b']]),
    quantization: new Map([['w', new Map([['SCALE_TENSOR', 's']])]]),
    initializerMetadata: new Map([['w', new Map([['origin', 'here']])]]),
    values: new Map([
      [
        'y',
        {
          name: 'y',
          type: tensorType('float32', [1, 'N']),
          doc: 'value doc',
          denotations: { type: 'TENSOR', dims: ['DATA_BATCH', undefined] },
          metadata: new Map([['m', 'n']]),
        },
      ],
    ]),
  });
  const model = makeModel(graph, 21, {
    producer: { name: 'p', version: '2' },
    domain: 'd',
    version: 7n,
    doc: 'doc',
    metadata: new Map([['q', 'r']]),
  });
  const back = decodeModel(encodeModel(model));
  const { initializers, ...rest } = back.graph;
  const { initializers: _weights, ...expected } = graph;
  assert.deepEqual(JSON.parse(JSON.stringify(rest, entries)), JSON.parse(JSON.stringify(expected, entries)));
  assert.deepEqual(initializers.get('w')?.numbers(), [1]);
  const head = ({ producer, domain, version, doc, metadata, irVersion, opsets }: Model) => ({
    producer,
    domain,
    version,
    doc,
    metadata,
    irVersion,
    opsets,
  });
  assert.deepEqual(head(back), head(model));
});

const entries = (_key: string, value: unknown) => (value instanceof Map ? [...value] : value);

test('weights are views into the file', () => {
  const model = makeModel(
    makeGraph({
      inputs: [],
      outputs: [],
      nodes: [],
      initializers: new Map([['w', Tensor.float32([2], [1, 2])]]),
    }),
  );
  const bytes = encodeModel(model);
  assert.equal(decodeModel(bytes).graph.initializers.get('w')?.bytes().buffer, bytes.buffer);
});

test('before IR version 4 every initializer is listed as an input, and is none to us', () => {
  const x = { name: 'x', type: tensorType('float32', [2]) };
  const graph = makeGraph({
    inputs: [x],
    outputs: [{ ...x, name: 'y' }],
    nodes: [makeNode('Add', ['x', 'w'], ['y'])],
    initializers: new Map([['w', Tensor.float32([2], [1, 2])]]),
  });
  const old = makeModel(graph, 8, { irVersion: 3 });
  assert.deepEqual(graph.inputs, [x], 'writing leaves the graph alone');
  const bytes = encodeModel(old);
  const asWritten = decodeModel(encodeModel({ ...decodeModel(bytes), irVersion: 3 })).graph;
  assert.deepEqual(
    asWritten.inputs.map(({ name }) => name),
    ['x'],
  );
  // The same message under a version that allows replaceable defaults: now the input is seen.
  const newer = new Uint8Array(bytes);
  assert.deepEqual([...newer.subarray(0, 2)], [8, 3]);
  newer[1] = 4;
  assert.deepEqual(
    decodeModel(newer).graph.inputs.map(({ name }) => name),
    ['x', 'w'],
  );
});

test('elements in typed fields read as raw ones', () => {
  const cases: readonly (readonly [DType, object, readonly number[], Uint8Array])[] = [
    ['float32', { floatData: [1.5, -2] }, [2], bytesOf(Float32Array.of(1.5, -2))],
    ['complex64', { floatData: [1, 2] }, [1], bytesOf(Float32Array.of(1, 2))],
    ['float64', { doubleData: [1.5] }, [1], bytesOf(Float64Array.of(1.5))],
    ['complex128', { doubleData: [1, 2] }, [1], bytesOf(Float64Array.of(1, 2))],
    ['int64', { int64Data: [-5n] }, [1], bytesOf(BigInt64Array.of(-5n))],
    ['uint64', { uint64Data: [2n ** 63n] }, [1], bytesOf(BigUint64Array.of(2n ** 63n))],
    ['uint32', { uint64Data: [2n ** 32n - 1n] }, [1], bytesOf(Uint32Array.of(2 ** 32 - 1))],
    ['int32', { int32Data: [-7] }, [1], bytesOf(Int32Array.of(-7))],
    ['int16', { int32Data: [-7] }, [1], bytesOf(Int16Array.of(-7))],
    ['uint16', { int32Data: [65535] }, [1], bytesOf(Uint16Array.of(65535))],
    ['float16', { int32Data: [0x3c00] }, [1], bytesOf(Uint16Array.of(0x3c00))],
    ['bfloat16', { int32Data: [0x3f80] }, [1], bytesOf(Uint16Array.of(0x3f80))],
    ['int8', { int32Data: [-1] }, [1], Uint8Array.of(255)],
    ['uint8', { int32Data: [200] }, [1], Uint8Array.of(200)],
    ['bool', { int32Data: [1, 0] }, [2], Uint8Array.of(1, 0)],
    ['float8e4m3fn', { int32Data: [0x7e] }, [1], Uint8Array.of(0x7e)],
    ['int4', { int32Data: [0x21, 0x03] }, [3], Uint8Array.of(0x21, 0x03)],
    ['uint2', { int32Data: [0xe4, 0x01] }, [5], Uint8Array.of(0xe4, 0x01)],
  ];
  for (const [dtype, fields, dims, bytes] of cases) {
    const common = { dims: dims.map(BigInt), dataType: DTYPES[dtype].onnx, name: dtype };
    const typed = decodeTensor(create(TensorProtoSchema, { ...common, ...fields }), none);
    const raw = decodeTensor(create(TensorProtoSchema, { ...common, rawData: bytes }), none);
    assert.deepEqual(Array.from(typed.bytes()), Array.from(bytes), dtype);
    assert.deepEqual(Array.from(raw.bytes()), Array.from(bytes), dtype);
  }
});

const bytesOf = (array: { buffer: ArrayBufferLike }) => new Uint8Array(array.buffer);

test('external tensors: placed when written, asked for when read', () => {
  const weight = Tensor.float32([2], [1, 2]);
  const model = makeModel(
    makeGraph({ inputs: [], outputs: [], nodes: [], initializers: new Map([['w', weight]]) }),
  );
  const bytes = encodeModel(model, (name) => ({ location: `${name}.bin`, offset: 64, length: 8 }));
  assert.throws(() => decodeModel(bytes), { code: 'EXTERNAL_MISSING' });
  let asked: unknown;
  const back = decodeModel(bytes, (...where) => {
    asked = where;
    return { byteLength: 8, read: () => weight.bytes() };
  });
  assert.deepEqual(asked, ['w.bin', 64, 8]);
  assert.equal(back.graph.initializers.get('w')?.lazy, true);
  assert.deepEqual(back.graph.initializers.get('w')?.numbers(), [1, 2]);
  for (const [offset, length] of [
    [-1, 8],
    [0.5, 8],
    [0, 9],
    [2 ** 60, 8],
  ] as const) {
    const bad = encodeModel(model, () => ({ location: 'w', offset, length }));
    assert.throws(() => decodeModel(bad, () => ({ byteLength: 8, read: () => weight.bytes() })), {
      code: 'MODEL_INVALID',
    });
  }
});

test('an attribute without a type, from before IR version 2, is known by its value', () => {
  const node = makeNode('Op', [], ['y'], { i: attr.int(3), ints: attr.ints([1]), s: attr.string('x') });
  const bytes = encodeModel(makeModel(makeGraph({ inputs: [], outputs: [], nodes: [node] })));
  // Field 20 (type) as tag and value: blanked by turning it into an unknown field of the same length.
  const untyped = new Uint8Array(bytes);
  for (let i = 0; i + 2 < untyped.length; i++)
    if (untyped[i] === 0xa0 && untyped[i + 1] === 0x01) untyped[i + 1] = 0x7d;
  assert.deepEqual(decodeModel(untyped).graph.nodes[0]?.attributes, node.attributes);
});

test('what is no model says so, each in its way', () => {
  const whole = encodeModel(
    makeModel(makeGraph({ inputs: [], outputs: [], nodes: [makeNode('Relu', ['x'], ['y'])] })),
  );
  assert.throws(() => decodeModel(new Uint8Array()), { code: 'MODEL_EMPTY' });
  assert.throws(() => decodeModel(whole.subarray(0, whole.length - 3)), { code: 'MODEL_TRUNCATED' });
  assert.throws(() => decodeModel(new TextEncoder().encode('<html>not found</html>')), {
    code: 'MODEL_NOT_ONNX',
  });
  assert.throws(() => decodeModel(toBinary(ModelProtoSchema, create(ModelProtoSchema, { irVersion: 8n }))), {
    code: 'MODEL_NOT_ONNX',
  });
  const huge = create(ModelProtoSchema, { irVersion: 2n ** 60n, graph: {} });
  assert.throws(() => decodeModel(toBinary(ModelProtoSchema, huge)), { code: 'MODEL_INVALID' });
});

test('tensors that promise more than they hold are refused without being made', () => {
  for (const dims of [[2n ** 40n], [2n ** 62n, 0n], [-1n], [2n ** 31n, 2n ** 31n]]) {
    const initializer = [{ name: 'w', dims, dataType: 1, rawData: Uint8Array.of(1, 2, 3, 4) }];
    const bytes = toBinary(
      ModelProtoSchema,
      create(ModelProtoSchema, { irVersion: 8n, graph: { initializer } }),
    );
    assert.throws(() => decodeModel(bytes), { code: 'MODEL_INVALID' });
  }
  const unknown = [{ name: 'w', dims: [1n], dataType: 99, rawData: Uint8Array.of(1) }];
  const bytes = toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, { irVersion: 8n, graph: { initializer: unknown } }),
  );
  assert.throws(() => decodeModel(bytes), { code: 'MODEL_INVALID', message: /data type 99/ });
});

test('graphs nested beyond reason are refused', () => {
  let graph = makeGraph({ inputs: [], outputs: [], nodes: [] });
  for (let depth = 0; depth < 60; depth++) {
    graph = makeGraph({
      inputs: [],
      outputs: [],
      nodes: [makeNode('If', ['c'], ['y'], { b: attr.graph(graph) })],
    });
  }
  const bytes = encodeModel(makeModel(graph));
  assert.throws(() => decodeModel(bytes), { code: 'MODEL_TRUNCATED', message: /recursion/ });
});

test('a model that cannot be written says why', () => {
  const model = makeModel(makeGraph({ inputs: [], outputs: [], nodes: [] }), 0.5);
  assert.throws(() => encodeModel(model), { code: 'MODEL_INVALID' });
});
