import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { type DType, Tensor } from '../graph/index.ts';
import { cast } from './cast.ts';
import { fromHalf, toHalf } from './half.ts';

test('every half but NaN comes back from its value', () => {
  for (let bits = 0; bits < 65536; bits++) {
    const value = fromHalf(bits);
    if (Number.isNaN(value)) assert.ok(Number.isNaN(fromHalf(toHalf(value))));
    else assert.equal(toHalf(value), bits, `0x${bits.toString(16)}`);
  }
});

test('a float becomes the nearest half, ties to even', () => {
  const check = (value: number) => {
    const bits = toHalf(value) & 0x7fff;
    const size = Math.abs(Math.fround(value));
    if (size >= 65520) return assert.equal(bits, 0x7c00);
    const error = Math.abs(fromHalf(bits) - size);
    for (const other of [bits - 1, bits + 1]) {
      if (other < 0 || other >= 0x7c00) continue;
      const distance = Math.abs(fromHalf(other) - size);
      assert.ok(error < distance || (error === distance && bits % 2 === 0), `${value}`);
    }
  };
  fc.assert(fc.property(fc.float({ noNaN: true }), check), { seed: 1, numRuns: 5000 });
  fc.assert(fc.property(fc.float({ noNaN: true, min: -70000, max: 70000 }), check), {
    seed: 2,
    numRuns: 5000,
  });
  fc.assert(
    fc.property(fc.nat(0x7bfe), (bits) => check((fromHalf(bits) + fromHalf(bits + 1)) / 2)),
    { seed: 3 },
  );
});

test('casting keeps values that fit and refuses those that do not', () => {
  const integers: [DType, number, number][] = [
    ['int8', -128, 127],
    ['uint8', 0, 255],
    ['int16', -32768, 32767],
    ['uint16', 0, 65535],
    ['int32', -(2 ** 31), 2 ** 31 - 1],
    ['uint32', 0, 2 ** 32 - 1],
  ];
  for (const [dtype, low, high] of integers) {
    for (const from of ['float64', 'int64'] as const) {
      const make = (...values: number[]) =>
        from === 'int64'
          ? Tensor.int64([values.length], values)
          : Tensor.of('float64', [values.length], Float64Array.from(values));
      assert.deepEqual(cast(make(low, high, 1), dtype, 'x').numbers(), [low, high, 1]);
      assert.throws(() => cast(make(low - 1), dtype, 'x'), { code: 'DATA_DTYPE_MISMATCH' });
      assert.throws(() => cast(make(high + 1), dtype, 'x'), { code: 'DATA_DTYPE_MISMATCH' });
    }
  }
  assert.deepEqual(cast(Tensor.float32([3], [1.9, -1.9, 0.5]), 'int32', 'x').numbers(), [1, -1, 0]);
  assert.throws(() => cast(Tensor.float32([1], [Number.NaN]), 'int32', 'x'), { code: 'DATA_DTYPE_MISMATCH' });
  assert.throws(() => cast(Tensor.float32([1], [1e30]), 'int64', 'x'), { code: 'DATA_DTYPE_MISMATCH' });
  assert.deepEqual(cast(Tensor.of('float16', [1], Uint16Array.of(0x3e00)), 'float32', 'x').numbers(), [1.5]);
  assert.throws(() => cast(Tensor.ofStrings([1], ['a']), 'int32', 'x'), { code: 'DATA_DTYPE_MISMATCH' });
});
