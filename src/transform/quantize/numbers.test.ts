import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { makeGraph, makeModel, makeNode, Tensor, tensorType } from '../../graph/index.ts';
import { openSession } from '../../run/index.ts';
import {
  arrayFor,
  dequantize,
  packNibbles,
  paramsInside,
  paramsOf,
  paramTensors,
  type QParams,
  quantizeInto,
  rangeOf,
  roundHalfEven,
  unpackNibbles,
} from './numbers.ts';

const ends = fc.tuple(
  fc.double({ min: -1e4, max: 1e4, noNaN: true }),
  fc.double({ min: -1e4, max: 1e4, noNaN: true }),
);

test('halves go to the even number', () => {
  assert.deepEqual([0.5, 1.5, 2.5, 3.5, -0.5, -1.5, -2.5].map(roundHalfEven), [0, 2, 2, 4, 0, -2, -2]);
  fc.assert(
    fc.property(fc.double({ min: -1e6, max: 1e6, noNaN: true }), (value) => {
      assert.ok(Math.abs(roundHalfEven(value) - value) <= 0.5);
    }),
    { seed: 1 },
  );
});

test('ranges of the types', () => {
  assert.deepEqual(rangeOf('uint8'), { min: 0, max: 255 });
  assert.deepEqual(rangeOf('int8'), { min: -128, max: 127 });
  assert.deepEqual(rangeOf('int8', { symmetric: true }), { min: -127, max: 127 });
  assert.deepEqual(rangeOf('uint8', { reduce: true }), { min: 0, max: 127 });
  assert.deepEqual(rangeOf('int8', { reduce: true }), { min: -64, max: 64 });
  assert.deepEqual(rangeOf('int4'), { min: -8, max: 7 });
});

test('parameters cover the interval and hold zero exactly', () => {
  fc.assert(
    fc.property(ends, fc.constantFrom('uint8', 'int8'), fc.boolean(), ([a, b], type, symmetric) => {
      const [low, high] = a < b ? [a, b] : [b, a];
      const params = paramsOf(low, high, type as 'uint8' | 'int8', { symmetric });
      const { range, scale, zeroPoint } = params;
      assert.ok(zeroPoint >= range.min && zeroPoint <= range.max && Number.isInteger(zeroPoint));
      assert.ok((range.min - zeroPoint) * scale <= Math.min(low, 0) + scale * 0.51);
      assert.ok((range.max - zeroPoint) * scale >= Math.max(high, 0) - scale * 0.51);
      if (symmetric) assert.equal(zeroPoint, type === 'int8' ? 0 : 128);
    }),
    { seed: 2 },
  );
  assert.equal(paramsOf(0, 7, 'uint8').zeroPoint, 0);
  assert.equal(paramsOf(0, 7, 'int8').zeroPoint, -128);
  assert.deepEqual(paramsOf(0, 0, 'uint8'), {
    type: 'uint8',
    scale: 1,
    zeroPoint: 0,
    range: rangeOf('uint8'),
  });
});

test('parameters inside of bounds never reach beyond them', () => {
  fc.assert(
    fc.property(
      fc.double({ min: -100, max: 0, noNaN: true }),
      fc.double({ min: 0.01, max: 100, noNaN: true }),
      fc.constantFrom('uint8', 'int8'),
      (low, high, type) => {
        const inside = paramsInside(paramsOf(low, high, type as 'uint8' | 'int8'), low, high);
        const { scale, zeroPoint, range } = inside;
        assert.ok(Math.fround(scale * (range.max - zeroPoint)) <= high);
        assert.ok(Math.fround(scale * (range.min - zeroPoint)) >= low);
        const lost = high - scale * (range.max - zeroPoint) + scale * (range.min - zeroPoint) - low;
        assert.ok(lost <= 2.1 * scale, `${lost} of ${high - low}`);
      },
    ),
    { seed: 3 },
  );
});

test('nibbles: low bits first, and back', () => {
  assert.deepEqual([...packNibbles([1, 2, 3])], [0x21, 0x03]);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -8, max: 7 })), (values) => {
      assert.deepEqual([...unpackNibbles(packNibbles(values), values.length, true)], values);
    }),
    { seed: 4 },
  );
});

/** Q and DQ of x, as ONNX Runtime does them. */
async function byRuntime(values: Float32Array, params: QParams): Promise<{ q: number[]; real: number[] }> {
  const { scale, zeroPoint } = paramTensors(params);
  const graph = makeGraph({
    inputs: [{ name: 'x', type: tensorType('float32', ['n']) }],
    outputs: [
      { name: 'q', type: tensorType(params.type, ['n']) },
      { name: 'y', type: tensorType('float32', ['n']) },
    ],
    nodes: [
      makeNode('QuantizeLinear', ['x', 's', 'z'], ['q']),
      makeNode('DequantizeLinear', ['q', 's', 'z'], ['y']),
    ],
    initializers: new Map([
      ['s', scale],
      ['z', zeroPoint],
    ]),
  });
  const session = await openSession(makeModel(graph, 17, { irVersion: 8 }), { threads: 1 });
  try {
    const { q, y } = await session.run({ x: Tensor.float32([values.length], values) });
    return { q: q!.numbers(), real: y!.numbers() };
  } finally {
    await session.dispose();
  }
}

test('the same numbers as QuantizeLinear and DequantizeLinear of ONNX Runtime', async () => {
  for (const [low, high, type] of [
    [-3, 5, 'uint8'],
    [0, 6, 'uint8'],
    [-1, 0.1, 'int8'],
    [-2e-3, 4e4, 'int8'],
  ] as const) {
    const params = paramsOf(low, high, type);
    const values = Float32Array.from({ length: 2000 }, (_, i) => low * 1.2 + ((high - low) * 1.4 * i) / 1999);
    // Exact halves, where the wrong rounding shows.
    for (let i = 0; i < 250; i++) values[i] = (i - 100.5) * params.scale;
    const mine = arrayFor(type, values.length);
    quantizeInto(values, mine, params);
    const { q, real } = await byRuntime(values, params);
    assert.deepEqual([...mine], q);
    assert.deepEqual([...dequantize(mine, params)], real);
  }
});
