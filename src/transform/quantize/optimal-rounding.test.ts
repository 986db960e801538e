import assert from 'node:assert/strict';
import { test } from 'node:test';
import { normals } from '../../../test/quantize-nets.ts';
import { Random } from '../../base/index.ts';
import type { Tensor } from '../../graph/index.ts';
import { fitBlock } from './block-fit.ts';
import { blockedValues, quantizeBlocks } from './blocks.ts';
import { inverseFactor } from './inverse-factor.ts';
import { type RoundingOptions, roundOptimally } from './optimal-rounding.ts';

const OPTIONS: RoundingOptions = {
  bits: 4,
  blockSize: 16,
  symmetric: true,
  fit: 'mse',
  damping: 0.01,
  actOrder: false,
};

/** X^T X of rows whose neighbours correlate. */
function gramOf(k: number, seed: number, correlation = 0.9): Float64Array {
  const random = new Random(seed);
  const gram = new Float64Array(k * k);
  for (let row = 0; row < 200; row++) {
    const x = new Float64Array(k);
    let last = 0;
    for (let i = 0; i < k; i++) {
      last = correlation * last + random.normal();
      x[i] = last * (1 + (i % 5));
    }
    for (let i = 0; i < k; i++) for (let j = 0; j < k; j++) gram[i * k + j]! += x[i]! * x[j]!;
  }
  return gram;
}

/** X^T X of rows in which all inputs share much. */
function commonGram(k: number, seed: number): Float64Array {
  const random = new Random(seed);
  const gram = new Float64Array(k * k);
  for (let row = 0; row < 200; row++) {
    const common = random.normal();
    const x = Float64Array.from({ length: k }, () => common + 0.3 * random.normal());
    for (let i = 0; i < k; i++) for (let j = 0; j < k; j++) gram[i * k + j]! += x[i]! * x[j]!;
  }
  return gram;
}

function damped(gram: Float64Array, k: number, damping: number): number[][] {
  let trace = 0;
  for (let i = 0; i < k; i++) trace += gram[i * k + i]!;
  return Array.from({ length: k }, (_, i) =>
    Array.from({ length: k }, (__, j) => gram[i * k + j]! + (i === j ? (damping * trace) / k : 0)),
  );
}

/** By Gauss-Jordan with pivots, to have nothing in common with what is tested. */
function inverse(matrix: readonly (readonly number[])[]): number[][] {
  const size = matrix.length;
  const rows = matrix.map((row, i) => [...row, ...row.map((_, j) => (i === j ? 1 : 0))]);
  for (let i = 0; i < size; i++) {
    const best = rows.slice(i).reduce((a, b) => (Math.abs(b[i]!) > Math.abs(a[i]!) ? b : a));
    rows.splice(rows.indexOf(best), 1);
    rows.splice(i, 0, best);
    const pivot = best[i]!;
    for (let j = 0; j < 2 * size; j++) best[j]! /= pivot;
    for (const row of rows) {
      if (row === best) continue;
      const factor = row[i]!;
      for (let j = 0; j < 2 * size; j++) row[j]! -= factor * best[j]!;
    }
  }
  return rows.map((row) => row.slice(size));
}

/** Energy of the outputs lost, by its definition. */
function lost(weight: Tensor, other: Tensor, h: readonly (readonly number[])[]): number {
  const [k, n] = weight.dims as [number, number];
  const [a, b] = [weight.as('float32'), other.as('float32')];
  let sum = 0;
  for (let c = 0; c < n; c++) {
    for (let i = 0; i < k; i++) {
      for (let j = 0; j < k; j++) {
        sum += (a[i * n + c]! - b[i * n + c]!) * h[i]![j]! * (a[j * n + c]! - b[j * n + c]!);
      }
    }
  }
  return sum;
}

test('the factor U of a positive definite matrix: upper triangular, U^T U its inverse', () => {
  for (const k of [1, 2, 7, 30]) {
    const h = damped(gramOf(k, k), k, 0.01);
    const u = inverseFactor(Float64Array.from(h.flat()), k)!;
    for (let i = 0; i < k; i++) {
      for (let j = 0; j < k; j++) {
        if (j < i) assert.equal(u[i * k + j], 0);
        let product = 0;
        for (let m = 0; m < k; m++) {
          let inverted = 0;
          for (let r = 0; r < k; r++) inverted += u[r * k + i]! * u[r * k + m]!;
          product += inverted * h[m]![j]!;
        }
        assert.ok(Math.abs(product - (i === j ? 1 : 0)) < 1e-9, `${i},${j}: ${product}`);
      }
    }
  }
  assert.equal(inverseFactor(Float64Array.of(1, 2, 2, 1), 2), undefined);
  assert.equal(inverseFactor(Float64Array.of(Number.NaN), 1), undefined);
});

test('a tiny weight is rounded as optimal brain quantization does, each inverse taken anew', () => {
  for (const [k, actOrder] of [
    [5, false],
    [16, false],
    [16, true],
  ] as const) {
    const n = 3;
    const weight = normals(new Random(k), [k, n]);
    const gram = gramOf(k, 2);
    const h = damped(gram, k, 0.01);
    const { made, loss } = roundOptimally(weight, false, gram, { ...OPTIONS, actOrder })!;
    const got = blockedValues(made, false, 4).as('float32');
    const order = Array.from({ length: k }, (_, i) => i);
    if (actOrder) order.sort((a, b) => gram[b * k + b]! - gram[a * k + a]!);
    for (let c = 0; c < n; c++) {
      const w = Array.from({ length: k }, (_, i) => weight.as('float32')[i * n + c]!);
      const { scale, zeroPoint } = fitBlock(Float64Array.from(w), OPTIONS);
      let left = [...order];
      while (left.length > 0) {
        const at = left[0]!;
        const inverted = inverse(left.map((i) => left.map((j) => h[i]![j]!)));
        const q = Math.min(15, Math.max(0, Math.round(w[at]! / scale) + zeroPoint));
        const real = (q - zeroPoint) * scale;
        assert.ok(Math.abs(real - got[at * n + c]!) < 1e-5, `row ${at}: ${got[at * n + c]}, not ${real}`);
        const error = (w[at]! - real) / inverted[0]![0]!;
        left.forEach((i, place) => {
          w[i]! -= error * inverted[0]![place]!;
        });
        left = left.slice(1);
      }
    }
    const wanted = lost(weight, blockedValues(made, false, 4), h);
    assert.ok(Math.abs(loss - wanted) < 1e-4 * wanted, `${loss} against ${wanted}`);
  }
});

test('with four inputs: no worse than the nearest numbers, and near the best of all 65536', () => {
  let [nearest, inTurn, best] = [0, 0, 0];
  for (let seed = 1; seed <= 12; seed++) {
    const weight = normals(new Random(seed), [4, 1]);
    const gram = commonGram(4, seed);
    const h = damped(gram, 4, 0.01);
    nearest += lost(weight, blockedValues(quantizeBlocks(weight, false, OPTIONS), false, 4), h);
    inTurn += lost(weight, blockedValues(roundOptimally(weight, false, gram, OPTIONS)!.made, false, 4), h);
    const w = weight.as('float32');
    const { scale, zeroPoint } = fitBlock(Float64Array.from(w), OPTIONS);
    let least = Number.POSITIVE_INFINITY;
    for (let code = 0; code < 65536; code++) {
      const d = [0, 4, 8, 12].map((shift, i) => w[i]! - (((code >> shift) & 15) - zeroPoint) * scale);
      let sum = 0;
      for (let i = 0; i < 4; i++) for (let j = 0; j < 4; j++) sum += d[i]! * h[i]![j]! * d[j]!;
      if (sum < least) least = sum;
    }
    best += least;
  }
  assert.ok(best <= inTurn && inTurn < 0.7 * nearest, `${best} best, ${inTurn} in turn, ${nearest} nearest`);
  assert.ok(inTurn < 2.5 * best, `${inTurn} against ${best}`);
});

test('on correlated inputs half the error goes, for any layout, block and order; without correlation nothing is lost', () => {
  const [k, n] = [96, 70];
  const weight = normals(new Random(9), [k, n]);
  const turned = normals(new Random(9), [n, k]);
  for (const symmetric of [true, false]) {
    for (const actOrder of [true, false]) {
      for (const blockSize of [16, 64] as const) {
        const options = { ...OPTIONS, symmetric, actOrder, blockSize };
        const gram = gramOf(k, 4, 0.95);
        const h = damped(gram, k, 0);
        const made = roundOptimally(weight, false, gram, options)!.made;
        const after = lost(weight, blockedValues(made, false, 4), h);
        const before = lost(weight, blockedValues(quantizeBlocks(weight, false, options), false, 4), h);
        assert.ok(after < 0.5 * before, `${JSON.stringify(options)}: ${after} of ${before}`);
      }
    }
  }
  const flipped = roundOptimally(turned, true, gramOf(k, 4), OPTIONS)!.made;
  const again = blockedValues(flipped, true, 4);
  assert.deepEqual(again.dims, [n, k]);
  const eye = new Float64Array(k * k);
  for (let i = 0; i < k; i++) eye[i * k + i] = 1;
  const plain = roundOptimally(weight, false, eye, OPTIONS)!.made;
  assert.deepEqual(plain.packed.bytes, quantizeBlocks(weight, false, OPTIONS).packed.bytes);
  assert.equal(roundOptimally(weight, false, new Float64Array(k * k), OPTIONS), undefined);
});
