import assert from 'node:assert/strict';
import { test } from 'node:test';
import { instantiate } from '../../runtime/engine.ts';
import { encodeWasm } from '../wasm/module.ts';
import { Builder } from './builder.ts';
import { emitFunction } from './emit.ts';
import { i32, type LoopFunction } from './ir.ts';
import { Lanes } from './lanes.ts';
import { MathLibrary, type MathName } from './math.ts';

/** The function at every number of `xs`, computed by a module made for it. */
async function valuesOf(name: MathName, width: 4 | 1, xs: Float32Array): Promise<Float32Array> {
  const lanes = new Lanes(width);
  const math = new MathLibrary(lanes);
  const b = new Builder();
  const bytes = xs.length * 4;
  b.walk(xs.length / width, [[i32(0), 4 * width]], ([p]) =>
    lanes.store(b, p!, bytes, math.call(name, lanes.load(p!))),
  );
  const functions: LoopFunction[] = [b.finish('run')];
  const indexOf = (fn: LoopFunction) => {
    if (!functions.includes(fn)) functions.push(fn);
    return functions.indexOf(fn);
  };
  const emitted = [];
  for (const fn of functions) emitted.push(emitFunction(fn, indexOf, fn.name === 'run' ? 'run' : undefined));
  const wasm = encodeWasm({ functions: emitted, memory: 2 * bytes + 64, data: [], custom: [] });
  const { instance } = await instantiate(wasm);
  new Float32Array(instance.memory.buffer).set(xs);
  instance.run();
  return new Float32Array(instance.memory.buffer.slice(bytes, 2 * bytes));
}

/** erf by its series and its continued fraction, in double precision. */
function erf(x: number): number {
  const size = Math.abs(x);
  if (size < 2.5) {
    let [term, sum] = [size, size];
    for (let n = 1; n < 60; n++) {
      term *= (-size * size) / n;
      sum += term / (2 * n + 1);
    }
    return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI);
  }
  let fraction = 0;
  for (let n = 60; n > 0; n--) fraction = n / 2 / (size + fraction);
  return Math.sign(x) * (1 - Math.exp(-size * size) / Math.sqrt(Math.PI) / (size + fraction));
}

const ROWS: Record<
  MathName,
  { of: (x: number) => number; from: number; to: number; relative: number; absolute: number }
> = {
  exp: { of: Math.exp, from: -87, to: 88.5, relative: 3e-7, absolute: 0 },
  log: { of: Math.log, from: 1e-38, to: 1e4, relative: 3e-7, absolute: 2e-7 },
  tanh: { of: Math.tanh, from: -12, to: 12, relative: 5e-7, absolute: 0 },
  erf: { of: erf, from: -6, to: 6, relative: 4e-7, absolute: 0 },
  sigmoid: { of: (x) => 1 / (1 + Math.exp(-x)), from: -60, to: 60, relative: 5e-7, absolute: 0 },
};

for (const [name, { of, from, to, relative, absolute }] of Object.entries(ROWS)) {
  test(`${name} is within ${relative} of the truth`, async () => {
    const xs = Float32Array.from({ length: 4096 }, (_, i) => from + ((to - from) * i) / 4095);
    // Small numbers, where a relative error shows.
    for (let i = 0; i < 64; i++) xs[2 * i + 1024] = (from < 0 && i % 2 ? -1 : 1) * 2 ** -(i / 4);
    const vector = await valuesOf(name as MathName, 4, xs);
    for (const [i, x] of xs.entries()) {
      const want = of(x);
      const bound = relative * Math.abs(want) + absolute + 2 ** -126;
      assert.ok(Math.abs(vector[i]! - want) <= bound, `${name}(${x}) is ${vector[i]}, not ${want}`);
    }
    assert.deepEqual(await valuesOf(name as MathName, 1, xs), vector, 'a scalar is rounded as a lane');
  });
}

test('what has no finite answer has the usual one', async () => {
  const xs = Float32Array.of(Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, 0);
  assert.deepEqual([...(await valuesOf('exp', 4, xs))], [Number.POSITIVE_INFINITY, 0, Number.NaN, 1]);
  assert.deepEqual([...(await valuesOf('tanh', 4, xs))], [1, -1, Number.NaN, 0]);
  assert.deepEqual(
    [...(await valuesOf('log', 4, xs))],
    [Number.POSITIVE_INFINITY, Number.NaN, Number.NaN, Number.NEGATIVE_INFINITY],
  );
  assert.deepEqual(
    [...(await valuesOf('exp', 4, Float32Array.of(89, 200, -104, -200)))],
    [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 0, 0],
  );
});
