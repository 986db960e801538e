import assert from 'node:assert/strict';
import fc from 'fast-check';
import { byteLengthOf, type DType, sizeOf, Tensor } from '../src/graph/index.ts';
import { DATATYPES } from '../src/protocol/index.ts';

/** Shapes of up to three axes: scalars and empty ones too. */
export const anyShape = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 });

/** A tensor of any of these dtypes with any bits in it: NaN, infinities, -0, the ends of every range. */
export function anyTensor(dtypes: readonly DType[] = Object.values(DATATYPES)): fc.Arbitrary<Tensor> {
  return fc.tuple(fc.constantFrom(...dtypes), anyShape).chain(([dtype, dims]) => {
    const size = sizeOf(dims);
    if (dtype === 'string') {
      return fc
        .array(fc.string({ unit: 'grapheme' }), { minLength: size, maxLength: size })
        .map((strings) => Tensor.ofStrings(dims, strings));
    }
    const length = byteLengthOf(dtype, size);
    const byte = dtype === 'bool' ? fc.integer({ min: 0, max: 1 }) : fc.constantFrom(...BYTES);
    return fc
      .array(byte, { minLength: length, maxLength: length })
      .map((bytes) => Tensor.ofBytes(dtype, dims, Uint8Array.from(bytes)));
  });
}

/** Bytes that meet in the odd values of all types: 0x7f8..., 0xff..., 0x8000..., and ordinary ones. */
const BYTES = [0, 0, 0, 1, 0x7f, 0x80, 0xf0, 0xff, 0xff, 0x3f, 0x42, 0xc0];

/** Same dtype, shape and elements; NaN is NaN, whatever its bits, and -0 is not 0. */
export function assertSame(actual: Tensor, expected: Tensor): void {
  assert.equal(actual.dtype, expected.dtype);
  assert.deepEqual(actual.dims, expected.dims);
  if (expected.dtype === 'string') assert.deepEqual(actual.strings(), expected.strings());
  else assert.deepEqual(elements(actual), elements(expected));
}

/** A list, because typed arrays are compared by their bits, and JSON keeps no bits of a NaN. */
const elements = (tensor: Tensor) => Array.from<number | bigint>(tensor.data() as ArrayLike<number | bigint>);
