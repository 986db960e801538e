import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { byteLengthOf, DTYPES, type DType, sizeOf, Tensor } from './index.ts';

const dtypes = (Object.keys(DTYPES) as DType[]).filter((dtype) => dtype !== 'string');

test('the elements are the same wherever the bytes lie, in a Buffer too', () => {
  const shape = fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 3 });
  fc.assert(
    fc.property(fc.constantFrom(...dtypes), shape, fc.integer({ min: 0, max: 9 }), (dtype, dims, offset) => {
      const length = byteLengthOf(dtype, sizeOf(dims));
      const all = Uint8Array.from({ length: length + offset }, (_, i) => (i * 37 + 11) % 120);
      const aligned = Tensor.ofBytes(dtype, dims, all.slice(offset));
      const view = Tensor.ofBytes(dtype, dims, all.subarray(offset));
      const buffer = Tensor.ofBytes(dtype, dims, Buffer.from(all.buffer).subarray(offset));
      assert.deepEqual(view.data(), aligned.data());
      assert.deepEqual(buffer.data(), aligned.data());
      assert.equal(view.byteLength, length);
      assert.deepEqual(Array.from(view.bytes()), Array.from(all.subarray(offset)));
    }),
    { seed: 5, numRuns: 500 },
  );
});

test('aligned bytes are not copied, by data() or by reshape()', () => {
  const values = Float32Array.of(1, 2, 3, 4);
  const tensor = Tensor.float32([4], values);
  assert.equal(tensor.data().buffer, values.buffer);
  assert.equal(tensor.reshape([2, 2]).data().buffer, values.buffer);
});

test('lengths that do not fit are refused', () => {
  assert.throws(() => Tensor.ofBytes('float32', [2], new Uint8Array(7)), { code: 'MODEL_INVALID' });
  assert.throws(() => Tensor.ofBytes('string', [0], new Uint8Array(0)), { code: 'MODEL_INVALID' });
  assert.throws(() => Tensor.ofStrings([2], ['one']), { code: 'MODEL_INVALID' });
  const source = { byteLength: 3, read: () => new Uint8Array(3) };
  assert.throws(() => Tensor.ofSource('int8', [4], source), { code: 'MODEL_INVALID' });
  assert.throws(() => Tensor.float32([2, 2], [1, 2, 3, 4]).reshape([3]), { code: 'SHAPE_MISMATCH' });
});

test('packed types take the bytes that their bits need', () => {
  assert.equal(Tensor.ofBytes('int4', [3], Uint8Array.of(0x21, 0x03)).byteLength, 2);
  assert.equal(Tensor.ofBytes('uint2', [5], Uint8Array.of(1, 2)).byteLength, 2);
  assert.equal(Tensor.ofBytes('complex128', [2], new Uint8Array(32)).data().length, 4);
});

test('a source is read only when asked for, and each time anew', () => {
  let reads = 0;
  const source = {
    byteLength: 4,
    read: () => {
      reads += 1;
      return new Uint8Array(new Float32Array([reads]).buffer);
    },
  };
  const tensor = Tensor.ofSource('float32', [1], source);
  assert.equal(tensor.lazy, true);
  assert.equal(tensor.byteLength, 4);
  assert.equal(reads, 0);
  assert.deepEqual(tensor.numbers(), [1]);
  assert.deepEqual(tensor.reshape([]).numbers(), [2]);
});

test('as() holds to the dtype', () => {
  assert.deepEqual(Tensor.int64([2], [1, -2n]).as('int64'), BigInt64Array.of(1n, -2n));
  assert.deepEqual(Tensor.int64([2], [1, -2n]).numbers(), [1, -2]);
  assert.throws(() => Tensor.int64([1], [1]).as('float32'), { code: 'MODEL_INVALID' });
  assert.throws(() => Tensor.int64([1], [1]).strings(), { code: 'MODEL_INVALID' });
  assert.throws(() => Tensor.ofStrings([1], ['a']).bytes(), { code: 'MODEL_INVALID' });
});
