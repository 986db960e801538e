import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { Tensor } from '../graph/index.ts';
import {
  type BodyLengths,
  encodeGrpcRequest,
  encodeInferRequest,
  encodeInferResponse,
  joinChunks,
  type Parameters,
  readAsking,
  readGrpcRequest,
  readHeaderLength,
  readInferRequest,
  readInferResponse,
  readRawRequest,
  readTensors,
  wantsBinary,
} from './index.ts';
import { ModelInferRequestSchema } from './wire/open_inference_grpc_pb.ts';

const CODE = 'REQUEST_INVALID';
const input = (rest: object) => ({ name: 'x', datatype: 'FP32', shape: [2], ...rest });

/** Reads the request and its JSON tensors. */
function read(request: unknown, lengths?: BodyLengths) {
  const text = typeof request === 'string' ? request : JSON.stringify(request);
  return readTensors(readInferRequest(text, lengths).inputs, new Uint8Array(0), CODE);
}

test('what is no request is refused with the reason', () => {
  const cases: [unknown, RegExp][] = [
    ['', /no JSON/],
    ['{"inputs":[', /no JSON/],
    ['[NaN]', /no JSON/],
    ['[]', /must be an object/],
    ['null', /must be an object, not null/],
    [{}, /needs inputs/],
    [{ inputs: {} }, /needs inputs/],
    [{ inputs: [7] }, /inputs\[0\] must be an object, not 7/],
    [{ inputs: [], id: 5 }, /id is 5/],
    [{ inputs: [], parameters: [1] }, /parameters must be an object/],
    [{ inputs: [], parameters: { a: null } }, /parameter "a" is null/],
    [{ inputs: [], parameters: { a: { b: 1 } } }, /strings, numbers and booleans/],
    [{ inputs: [], outputs: {} }, /outputs must be a list/],
    [{ inputs: [], outputs: [{}] }, /outputs\[0\] needs a name/],
    [{ inputs: [], outputs: [{ name: 'y' }, { name: 'y' }] }, /outputs name "y" twice/],
    [{ inputs: [{ ...input({ data: [1, 2] }), name: 3 }] }, /needs a name/],
    [{ inputs: [input({ data: [1, 2] }), input({ data: [1, 2] })] }, /inputs name "x" twice/],
    [{ inputs: [input({ datatype: 'FP8', data: [1, 2] })] }, /input x has datatype "FP8"; there are BOOL/],
    [{ inputs: [input({ datatype: 'toString', data: [1, 2] })] }, /has datatype "toString"/],
    [{ inputs: [input({ datatype: undefined, data: [1, 2] })] }, /has datatype undefined/],
    [{ inputs: [input({ datatype: 'FP16', data: [1, 2] })] }, /FP16, which only the binary form carries/],
    [{ inputs: [input({ datatype: 'BF16', data: [1, 2] })] }, /BF16, which only the binary form carries/],
    [{ inputs: [input({})] }, /neither data nor the parameter binary_data_size/],
    [{ inputs: [input({ data: 'ab' })] }, /needs data, a list/],
    [{ inputs: [input({ data: [1] })] }, /\[2\], 2 elements, and came with 1/],
    [{ inputs: [input({ data: [1, 2, 3] })] }, /2 elements, and came with 3/],
    [{ inputs: [input({ data: [1, [2]] })] }, /element 1 is a list, no FP32/],
    [{ inputs: [input({ data: [1, 'x'] })] }, /element 1 is "x", no FP32/],
    [{ inputs: [input({ data: [1, null] })] }, /element 1 is null, no FP32/],
    [{ inputs: [input({ data: [1, 1e39] })] }, /element 1 is 1e\+39, no FP32/],
    [
      '{"inputs":[{"name":"x","datatype":"FP64","shape":[1],"data":[1e999]}]}',
      /element 0 is Infinity, no FP64/,
    ],
    [{ inputs: [input({ data: [[1], [2]] })] }, /not nested as its shape|a list of/],
    [
      { inputs: [input({ shape: [2, 2], data: [[1, 2], [3]] })] },
      /a list of 1 where its shape \[2, 2\] has 2/,
    ],
    [{ inputs: [input({ shape: [2, 2], data: [[1, 2], 3] })] }, /not nested/],
    [{ inputs: [input({ datatype: 'UINT8', data: [1, 256] })] }, /element 1 is 256, no UINT8/],
    [{ inputs: [input({ datatype: 'UINT8', data: [1, -1] })] }, /element 1 is -1, no UINT8/],
    [{ inputs: [input({ datatype: 'INT32', data: [1, 1.5] })] }, /element 1 is 1.5, no INT32/],
    [{ inputs: [input({ datatype: 'INT8', data: [true, 1] })] }, /element 0 is true, no INT8/],
    [{ inputs: [input({ datatype: 'INT64', data: [1, '1.0'] })] }, /element 1 is "1.0", no INT64/],
    [{ inputs: [input({ datatype: 'INT64', data: [1, '9223372036854775808'] })] }, /no INT64/],
    [{ inputs: [input({ datatype: 'UINT64', data: [1, -1] })] }, /element 1 is -1, no UINT64/],
    [{ inputs: [input({ datatype: 'UINT64', data: [1, 1e300] })] }, /no UINT64/],
    [{ inputs: [input({ datatype: 'BOOL', data: [true, 2] })] }, /element 1 is 2, no BOOL/],
    [{ inputs: [input({ datatype: 'BYTES', data: ['a', 7] })] }, /element 1 is 7, no BYTES/],
    [{ inputs: [input({ shape: 2, data: [1, 2] })] }, /needs a shape/],
    [{ inputs: [input({ shape: [-2], data: [1, 2] })] }, /dimension 0 of its shape is -2/],
    [{ inputs: [input({ shape: [2.5], data: [1, 2] })] }, /dimension 0 of its shape is 2.5/],
    [{ inputs: [input({ shape: ['2'], data: [1, 2] })] }, /dimension 0 of its shape is "2"/],
    [{ inputs: [input({ shape: [2 ** 53], data: [1, 2] })] }, /dimension 0/],
    [{ inputs: [input({ shape: [2 ** 40, 2 ** 40], data: [1, 2] })] }, /too many elements/],
    [{ inputs: [input({ shape: [2 ** 40, 2 ** 40, 0], data: [] })] }, /too many elements/],
    [{ inputs: [input({ shape: Array(1000).fill(1), data: [1] })] }, /1000 dimensions/],
  ];
  for (const [request, why] of cases) assert.throws(() => read(request), { code: CODE, message: why });
});

test('nesting without end is refused before it is followed', () => {
  const deep = `${'['.repeat(200_000)}1${']'.repeat(200_000)}`;
  const text = `{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":${deep}}]}`;
  assert.throws(() => read(text), { code: CODE, message: /nested/ });
  const long = text.replace('FP32', 'INT64');
  assert.throws(() => read(long), { code: CODE });
  const objects = `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`;
  assert.throws(() => read(text.replace(deep, `[${objects}]`)), {
    code: CODE,
    message: /an object, no FP32/,
  });
});

test('places of binary inputs add up to the body, or the request is refused', () => {
  const sized = (size: unknown, rest: object = {}) =>
    input({ parameters: { binary_data_size: size }, ...rest });
  const good = { inputs: [sized(8), { ...sized(3), name: 'b', datatype: 'BOOL', shape: [3] }] };
  const { inputs } = readInferRequest(JSON.stringify(good), { headerLength: 100, bodyLength: 111 });
  assert.deepEqual(
    inputs.map(({ binary }) => binary),
    [
      { offset: 100, length: 8 },
      { offset: 108, length: 3 },
    ],
  );
  const bytes = { datatype: 'BYTES', shape: [2] };
  const cases: [unknown, BodyLengths | undefined, RegExp][] = [
    [good, undefined, /no header Inference-Header-Content-Length/],
    [good, { bodyLength: 111 }, /no header Inference-Header-Content-Length/],
    [good, { headerLength: 100, bodyLength: 110 }, /together 111, and the body has 110/],
    [good, { headerLength: 100, bodyLength: 112 }, /together 111, and the body has 112/],
    [{ inputs: [sized(7)] }, { headerLength: 1 }, /FP32\[2\] takes 8 bytes, not 7/],
    [{ inputs: [sized(-8)] }, { headerLength: 1 }, /binary_data_size is -8/],
    [{ inputs: [sized(8.5)] }, { headerLength: 1 }, /binary_data_size is 8.5/],
    [{ inputs: [sized('8')] }, { headerLength: 1 }, /binary_data_size is "8"/],
    [{ inputs: [sized(2 ** 60)] }, { headerLength: 1 }, /whole number/],
    [{ inputs: [sized(8, { data: [1, 2] })] }, { headerLength: 1 }, /data and binary_data_size/],
    [{ inputs: [sized(7, bytes)] }, { headerLength: 1 }, /BYTES\[2\] takes at least 8 bytes, not 7/],
    [
      { inputs: [sized(4, { datatype: 'BYTES', shape: [0] })] },
      { headerLength: 1 },
      /at least 0 bytes, not 4/,
    ],
    [
      { inputs: [sized(2 ** 53 - 1, bytes), { ...sized(2 ** 53 - 1, bytes), name: 'y' }] },
      { headerLength: 1 },
      /adds up to too much/,
    ],
    [{ inputs: [] }, { headerLength: 13, bodyLength: 20 }, /together 13, and the body has 20/],
  ];
  for (const [request, lengths, why] of cases) {
    assert.throws(() => read(request, lengths), { code: CODE, message: why });
  }
});

test('the header that says where the JSON ends is a whole number within the body', () => {
  assert.equal(readHeaderLength(undefined, 5, CODE), undefined);
  assert.equal(readHeaderLength('0', 5, CODE), 0);
  assert.equal(readHeaderLength('5', 5, CODE), 5);
  for (const value of ['', '-1', '1.5', '0x10', ' 5', '5, 5', '9'.repeat(16), '6']) {
    assert.throws(() => readHeaderLength(value, 5, CODE), { code: CODE });
  }
});

test('raw bytes that are no tensor are refused', () => {
  const body = (datatype: string, bytes: readonly number[]) => {
    const json = JSON.stringify({
      inputs: [{ name: 'x', datatype, shape: [2], parameters: { binary_data_size: bytes.length } }],
    });
    const all = Uint8Array.from([...new TextEncoder().encode(json), ...bytes]);
    const lengths = { headerLength: json.length, bodyLength: all.length };
    return () => readTensors(readInferRequest(json, lengths).inputs, all, CODE);
  };
  assert.throws(body('BOOL', [1, 2]), { code: CODE, message: /byte 1 of a BOOL tensor is 2/ });
  assert.throws(body('BYTES', [9, 0, 0, 0, 0, 0, 0, 0]), { code: CODE, message: /element 0 says 9 bytes/ });
  assert.throws(body('BYTES', [255, 255, 255, 255, 0, 0, 0, 0]), { code: CODE, message: /4294967295 bytes/ });
  assert.throws(body('BYTES', [0, 0, 0, 0, 0, 0, 0, 0, 0]), { code: CODE, message: /1 bytes are left/ });
  assert.throws(body('BYTES', [4, 0, 0, 0, 1, 1, 1, 1]), { code: CODE, message: /end before element 1/ });
  assert.throws(body('BYTES', [1, 0, 0, 0, 255, 0, 0, 0, 0]), {
    code: CODE,
    message: /element 0 is not UTF-8/,
  });
});

test('a raw binary request has the one shape that its length allows', () => {
  const port = (shape: (number | string | null)[] | undefined, dtype = 'float32') => [
    { name: 'x', dtype: dtype as 'float32', shape },
  ];
  const shapeOf = (ports: ReturnType<typeof port>, bytes: number, axis: number | undefined = 0) =>
    readRawRequest(ports, axis, new Uint8Array(bytes)).tensor.dims;
  assert.deepEqual(shapeOf(port(['n', 3]), 12), [1, 3]);
  assert.deepEqual(shapeOf(port([null, 3, 't']), 24), [1, 3, 2]);
  assert.deepEqual(shapeOf(port([null, 3, 't']), 0), [1, 3, 0]);
  assert.deepEqual(shapeOf(port([]), 4), []);
  assert.deepEqual(readRawRequest(port(['n', 3]), undefined, new Uint8Array(24)).tensor.dims, [2, 3]);
  const text = readRawRequest(port(['n', 1], 'string'), 0, new TextEncoder().encode('grüß'));
  assert.deepEqual([text.tensor.dims, text.tensor.strings()], [[1, 1], ['grüß']]);
  assert.throws(() => shapeOf(port(['n', 3]), 16), { code: CODE, message: /12 bytes, and the body has 16/ });
  assert.throws(() => shapeOf(port(['n', 3, 't']), 16), { code: CODE, message: /multiple of 12 bytes/ });
  assert.throws(() => shapeOf(port(['n', 'a', 'b']), 16), { code: CODE, message: /2 open dimensions/ });
  assert.throws(() => shapeOf(port(['n', 0, 'b']), 16), { code: CODE });
  assert.throws(() => shapeOf(port(undefined), 16), { code: CODE, message: /rank is not known/ });
  assert.throws(() => shapeOf([...port([1]), ...port([1])], 4), {
    code: CODE,
    message: /models of one input/,
  });
  assert.throws(() => shapeOf(port(['n', 2], 'string'), 4), { code: CODE, message: /one BYTES element/ });
});

test('which outputs are binary: their own word before that for all', () => {
  const request = (all: unknown, own: unknown) =>
    readInferRequest(
      JSON.stringify({
        inputs: [],
        parameters: all === undefined ? {} : { binary_data_output: all },
        outputs: [{ name: 'y', parameters: own === undefined ? {} : { binary_data: own } }],
      }),
    );
  assert.equal(wantsBinary(request(undefined, undefined), 'y'), false);
  assert.equal(wantsBinary(request(true, undefined), 'y'), true);
  assert.equal(wantsBinary(request(true, false), 'y'), false);
  assert.equal(wantsBinary(request(undefined, true), 'y'), true);
  assert.throws(() => wantsBinary(request(1, undefined), 'y'), { code: CODE });
  assert.throws(() => wantsBinary(request(true, 'yes'), 'y'), { code: CODE });
});

test('what the scheduler is asked for is checked', () => {
  assert.deepEqual(readAsking({}, CODE), {});
  assert.deepEqual(readAsking({ priority: 1, timeout: 5000 }, CODE), { priority: 1, timeoutUs: 5000 });
  assert.deepEqual(readAsking({ timeout: 0, sequence_id: 0 }, CODE), {});
  assert.deepEqual(readAsking({ sequence_id: 7, sequence_start: true }, CODE), {
    sequence: { id: '7', start: true, end: false },
  });
  const bad: Record<string, unknown>[] = [
    { priority: -1 },
    { priority: 'high' },
    { timeout: 1.5 },
    { sequence_id: true },
    { sequence_id: -4 },
    { sequence_start: true },
    { sequence_id: 'a', sequence_end: 1 },
  ];
  for (const parameters of bad) {
    assert.throws(() => readAsking(parameters as Parameters, CODE), { code: CODE });
  }
});

test('gRPC: raw contents or typed ones, and each where its type belongs', () => {
  const one = { name: 'x', datatype: 'INT8', shape: [2n] };
  const message = (rest: object) =>
    toBinary(ModelInferRequestSchema, create(ModelInferRequestSchema, { modelName: 'm', ...rest }));
  const raw = [Uint8Array.of(1, 2)];
  const cases: [Uint8Array, RegExp][] = [
    [Uint8Array.of(0xff, 0xff), /the bytes are no inference.ModelInferRequest/],
    [message({ inputs: [one] }), /2 elements, and int_contents has 0/],
    [message({ inputs: [{ ...one, contents: { intContents: [1] } }] }), /int_contents has 1/],
    [message({ inputs: [{ ...one, contents: { intContents: [1, 128] } }] }), /element 1 is 128, no INT8/],
    [
      message({ inputs: [{ ...one, contents: { int64Contents: [1n, 2n] } }] }),
      /in int64_contents, not int_contents/,
    ],
    [
      message({ inputs: [{ ...one, contents: { intContents: [1, 2] } }], rawInputContents: raw }),
      /give one of them/,
    ],
    [message({ inputs: [one], rawInputContents: [...raw, ...raw] }), /1 inputs and 2 raw_input_contents/],
    [message({ inputs: [{ ...one, shape: [3n] }], rawInputContents: raw }), /INT8\[3\] takes 3 bytes, not 2/],
    [
      message({ inputs: [{ ...one, shape: [-1n] }], rawInputContents: raw }),
      /dimension 0 of its shape is -1/,
    ],
    [message({ inputs: [{ ...one, shape: [2n ** 62n] }], rawInputContents: raw }), /dimension 0/],
    [
      message({ inputs: [{ ...one, datatype: 'FP16', contents: { fp32Contents: [1, 2] } }] }),
      /only raw contents carry/,
    ],
    [message({ inputs: [{ ...one, datatype: 'TEXT' }], rawInputContents: raw }), /datatype "TEXT"/],
    [message({ inputs: [one, one], rawInputContents: [...raw, ...raw] }), /input x is there twice/],
    [message({ parameters: { a: {} } }), /parameter "a" has no value/],
    [
      message({
        inputs: [
          { ...one, shape: [1n], datatype: 'BYTES', contents: { bytesContents: [Uint8Array.of(255)] } },
        ],
      }),
      /not UTF-8/,
    ],
  ];
  for (const [bytes, why] of cases) {
    assert.throws(() => readGrpcRequest(bytes), { code: CODE, message: why });
  }
});

test('whatever the bytes, the answer is a tensor or an error of the right side', () => {
  const tensors = [
    { name: 'x', tensor: Tensor.float32([2, 2], [1, 2, 3, 4]), binary: true },
    { name: 's', tensor: Tensor.ofStrings([2], ['a', 'bc']), binary: true },
    { name: 'k', tensor: Tensor.int64([2], [1, -2]), binary: false },
  ];
  const request = encodeInferRequest({ inputs: tensors });
  const response = encodeInferResponse({ modelName: 'm', outputs: tensors });
  const grpc = encodeGrpcRequest({ modelName: 'm', inputs: tensors });
  const decoder = new TextDecoder();
  const attempt = (code: string, run: () => unknown) => {
    try {
      run();
    } catch (error) {
      assert.equal((error as { code?: string }).code, code, String((error as Error).stack));
    }
  };
  const edits = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), {
    minLength: 1,
    maxLength: 4,
  });
  fc.assert(
    fc.property(edits, fc.option(fc.nat()), (changes, cut) => {
      const broken = (bytes: Uint8Array) => {
        const copy = Uint8Array.from(bytes);
        for (const [at, byte] of changes) copy[at % copy.length] = byte;
        return cut === null ? copy : copy.subarray(0, cut % copy.length);
      };
      attempt('REQUEST_INVALID', () => {
        const bytes = broken(joinChunks(request));
        const text = decoder.decode(bytes.subarray(0, request.headerLength));
        const lengths = { headerLength: request.headerLength!, bodyLength: bytes.length };
        readTensors(readInferRequest(text, lengths).inputs, bytes, 'REQUEST_INVALID');
      });
      attempt('REMOTE_FAILED', () => readInferResponse(broken(joinChunks(response)), response.headerLength));
      attempt('REQUEST_INVALID', () => readGrpcRequest(broken(grpc)));
    }),
    { seed: 11, numRuns: 3000 },
  );
});
