import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Tensor } from '../graph/index.ts';
import {
  encodeInferRequest,
  encodeInferResponse,
  joinChunks,
  readInferRequest,
  readInferResponse,
  tensorOfJson,
} from './index.ts';

const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** The tensor of a request with one input. */
function read(datatype: string, shape: string, data: string, id = 'a') {
  const text = `{"id":${JSON.stringify(id)},"inputs":[{"name":"x","datatype":"${datatype}","shape":${shape},"data":${data}}]}`;
  return tensorOfJson(readInferRequest(text).inputs[0]!, 'REQUEST_INVALID');
}

test('64-bit integers keep all the digits of the text, as numbers and as strings', () => {
  const long = read('INT64', '[4]', '[9007199254740993, -9223372036854775808, "9223372036854775807", 5]');
  assert.deepEqual(
    [...long.as('int64')],
    [9007199254740993n, -9223372036854775808n, 9223372036854775807n, 5n],
  );
  const id = 'said "9007199254740993", \\ 18446744073709551615';
  const wide = read('UINT64', '[1, 1]', '[[18446744073709551615]]', id);
  assert.deepEqual([...wide.as('uint64')], [18446744073709551615n]);
  // Beyond the range it is an error, not another number.
  assert.throws(() => read('INT64', '[1]', '[9223372036854775808]'), { code: 'REQUEST_INVALID' });
  assert.throws(() => read('INT64', '[1]', '[1e30]'), { code: 'REQUEST_INVALID', message: /no INT64/ });
});

test('texts of any length and any quoting stand between long numbers', () => {
  const odd = [
    '"',
    '\\',
    '\\"',
    '9007199254740993',
    'x'.repeat(20_000_000),
    '\\'.repeat(1_000_001),
    '1'.repeat(1_000_000),
  ];
  for (const id of odd) {
    assert.deepEqual([...read('INT64', '[1]', '[9007199254740993]', id).as('int64')], [9007199254740993n]);
  }
  const digits = '1'.repeat(1_000_000);
  assert.throws(() => read('INT64', '[1]', `[${digits}]`), { code: 'REQUEST_INVALID' });
});

test('64-bit integers are written with all their digits', () => {
  const tensor = Tensor.int64([2], [9007199254740993n, -9223372036854775808n]);
  const text = decode(joinChunks(encodeInferRequest({ inputs: [{ name: 'x', tensor, binary: false }] })));
  assert.match(text, /"data":\[9007199254740993,-9223372036854775808\]/);
});

test('what JSON has no numbers for is written by name, and null of a server is NaN', () => {
  const values = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 1.5];
  const tensor = Tensor.float32([5], values);
  const body = encodeInferResponse({ modelName: 'm', outputs: [{ name: 'y', tensor, binary: false }] });
  const text = decode(joinChunks(body));
  assert.match(text, /"data":\["NaN","Infinity","-Infinity",-0,1.5\]/);
  assert.deepEqual(readInferResponse(joinChunks(body)).outputs[0]!.tensor.numbers(), values);
  const nulls = new TextEncoder().encode(text.replace('"NaN"', 'null'));
  assert.deepEqual(readInferResponse(nulls).outputs[0]!.tensor.numbers(), values);
});

test('scalars have a list of one, and booleans may be numbers', () => {
  assert.deepEqual(read('FP64', '[]', '[2.5]').numbers(), [2.5]);
  assert.deepEqual(read('BOOL', '[2, 2]', '[[true, false], [1, 0]]').numbers(), [1, 0, 1, 0]);
  assert.deepEqual(read('FP32', '[2, 0]', '[[], []]').dims, [2, 0]);
  assert.deepEqual(read('FP32', '[2, 0]', '[]').dims, [2, 0]);
  assert.deepEqual(read('INT16', '[2]', '[1.0, 1e2]').numbers(), [1, 100]);
});

test('an output that JSON cannot carry names the way out', () => {
  const tensor = Tensor.ofBytes('float16', [1], new Uint8Array(2));
  const outputs = [{ name: 'y', tensor, binary: false }];
  assert.throws(() => encodeInferResponse({ modelName: 'm', outputs }), {
    code: 'REQUEST_INVALID',
    message: /ask for it with binary_data/,
  });
  const odd = [{ name: 'y', tensor: Tensor.ofBytes('int4', [2], new Uint8Array(1)), binary: true }];
  assert.throws(() => encodeInferResponse({ modelName: 'm', outputs: odd }), { message: /does not carry/ });
});
