import assert from 'node:assert/strict';
import { test } from 'node:test';
import { delimited, packed, varintField } from '../../test/plain-server/protobuf.ts';
import { Tensor } from '../graph/index.ts';
import {
  DATATYPES,
  decodeByteStrings,
  encodeByteStrings,
  readGrpcRequest,
  readInferRequest,
  readTensors,
} from './index.ts';

/** Bytes written by hand from the specifications: what comes back from our own encoders shows only that they agree with themselves. */
const CODE = 'REQUEST_INVALID';

test('the example of the binary tensor extension', () => {
  const json = JSON.stringify({
    model_name: 'mymodel',
    inputs: [
      { name: 'input0', shape: [2, 2], datatype: 'UINT32', parameters: { binary_data_size: 16 } },
      { name: 'input1', shape: [3], datatype: 'BOOL', parameters: { binary_data_size: 3 } },
    ],
    outputs: [{ name: 'output0', parameters: { binary_data: true } }],
  });
  const tensors = Uint8Array.of(1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 255, 255, 255, 255, 1, 0, 1);
  // At every alignment, since most clients do not pad their JSON.
  for (let spaces = 0; spaces < 8; spaces++) {
    const text = json + ' '.repeat(spaces);
    const body = Uint8Array.from([...new TextEncoder().encode(text), ...tensors]);
    const request = readInferRequest(text, { headerLength: text.length, bodyLength: body.length });
    const [first, second] = readTensors(request.inputs, body, CODE);
    assert.deepEqual([...first!.tensor.as('uint32')], [1, 256, 65536, 4294967295]);
    assert.deepEqual(second!.tensor.numbers(), [1, 0, 1]);
    assert.deepEqual(request.outputs, [{ name: 'output0', parameters: { binary_data: true } }]);
  }
});

test('an element of BYTES is its length in four bytes, and its bytes', () => {
  const bytes = Uint8Array.of(1, 0, 0, 0, 0x61, 0, 0, 0, 0, 2, 0, 0, 0, 0xc3, 0xbc);
  assert.deepEqual(encodeByteStrings(['a', '', 'ü']), bytes);
  assert.deepEqual(decodeByteStrings(bytes, 3, 'x', CODE), ['a', '', 'ü']);
});

test('the names of all datatypes', () => {
  const names = 'BOOL UINT8 UINT16 UINT32 UINT64 INT8 INT16 INT32 INT64 FP16 FP32 FP64 BYTES BF16';
  assert.deepEqual(Object.keys(DATATYPES), names.split(' '));
});

/** InferTensorContents with two elements of each datatype, and what they are. */
const TYPED: readonly [keyof typeof DATATYPES, Buffer, readonly unknown[]][] = [
  ['BOOL', packed(1, [1, 0]), [1, 0]],
  ['INT8', packed(2, [-128, 127]), [-128, 127]],
  ['INT16', packed(2, [-2, 3]), [-2, 3]],
  ['INT32', packed(2, [-(2 ** 31), 3]), [-(2 ** 31), 3]],
  ['INT64', packed(3, [-2, 3]), [-2n, 3n]],
  ['UINT8', packed(4, [255, 3]), [255, 3]],
  ['UINT16', packed(4, [65535, 3]), [65535, 3]],
  ['UINT32', packed(4, [2 ** 32 - 1, 3]), [2 ** 32 - 1, 3]],
  ['UINT64', packed(5, [2 ** 52, 3]), [2n ** 52n, 3n]],
  ['FP32', delimited(6, Buffer.from(Float32Array.of(0.5, -2).buffer)), [0.5, -2]],
  ['FP64', delimited(7, Buffer.from(Float64Array.of(0.1, -2).buffer)), [0.1, -2]],
  ['BYTES', Buffer.concat([delimited(8, 'a'), delimited(8, '')]), ['a', '']],
];

test('typed contents and parameters by the field numbers of the specification', () => {
  for (const [datatype, contents, expected] of TYPED) {
    const input = [delimited(1, 'x'), delimited(2, datatype), packed(3, [2]), delimited(5, contents)];
    const parameter = (name: string, value: Buffer) =>
      delimited(4, Buffer.concat([delimited(1, name), delimited(2, value)]));
    const message = Buffer.concat([
      delimited(1, 'm'),
      delimited(2, '3'),
      delimited(3, 'id'),
      parameter('b', varintField(1, 1n)),
      parameter('i', varintField(2, -5n)),
      parameter('s', delimited(3, 'text')),
      parameter('u', varintField(5, 2n ** 64n - 1n)),
      delimited(5, Buffer.concat(input)),
      delimited(6, delimited(1, 'y')),
    ]);
    const request = readGrpcRequest(message);
    assert.deepEqual([request.modelName, request.modelVersion, request.id], ['m', '3', 'id']);
    assert.deepEqual(request.parameters, { b: true, i: -5, s: 'text', u: '18446744073709551615' });
    assert.deepEqual(request.outputs, [{ name: 'y', parameters: {} }]);
    const { tensor } = request.inputs[0]!;
    assert.equal(tensor.dtype, DATATYPES[datatype]);
    const elements = datatype === 'BYTES' ? tensor.strings() : tensor.data();
    assert.deepEqual(Array.from<unknown>(elements as ArrayLike<unknown>), expected);
  }
});

test('raw contents of gRPC are views into the message', () => {
  const floats = Float32Array.of(1, 2);
  const input = Buffer.concat([delimited(1, 'x'), delimited(2, 'FP32'), packed(3, [2])]);
  const message = Buffer.concat([delimited(5, input), delimited(7, Buffer.from(floats.buffer))]);
  const { inputs, raw, outputs } = readGrpcRequest(message);
  assert.deepEqual([raw, outputs], [true, undefined]);
  assert.deepEqual(inputs[0]!.tensor.numbers(), [1, 2]);
  assert.equal(inputs[0]!.tensor.bytes().buffer, message.buffer);
  assert.ok(inputs[0]!.tensor instanceof Tensor);
});
