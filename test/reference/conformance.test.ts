import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { messageOf } from '../../src/base/index.ts';
import { type DType, decodeModel, type Model, opKey, type Tensor } from '../../src/graph/index.ts';
import { decodeTensor } from '../../src/graph/wire/decode-tensor.ts';
import { TensorProtoSchema } from '../../src/graph/wire/onnx_pb.ts';
import { type Case, withCases } from '../conformance/cases.ts';
import { evaluate, KERNELS } from './evaluate.ts';
import type { Kernel, Kernels } from './kernel.ts';
import { like, ofTensor, type Value } from './value.ts';

/** The reference against the outputs of ONNX's official cases. */

/** Cases of operators that the reference has, and why it gives another answer or none. */
const EXCEPTIONS: readonly (readonly [cases: RegExp, why: string])[] = [
  [/_antialias$/, 'Resize with antialias is not there'],
  [/\/test_training_dropout(_default)?(_mask)?$/, 'what is dropped comes from the generator of numpy'],
  [
    /_downsample_scales_(linear|cubic)_align_corners$/,
    'the case divides by size x scale, the specification and ONNX Runtime by the whole number of elements',
  ],
  [/_dynamicquantizelinear_expanded$/, 'x / scale is half a step in float32, and less in float64'],
  [/\/test_PReLU_.d_multiparam$/, 'opset 6: slopes are one a channel, not broadcast'],
];

/** Relative and absolute: the expected outputs are float32, or narrower floats. */
function toleranceOf(dtype: DType): number {
  if (dtype === 'bfloat16') return 1e-2;
  return dtype === 'float16' ? 2e-3 : 1e-4;
}

function readTensor(path: string): Tensor {
  return decodeTensor(fromBinary(TensorProtoSchema, readFileSync(path)), () => {
    throw new Error('official cases hold no external data');
  });
}

function assertClose(found: Value, expected: Value, tolerance: number): void {
  assert.equal(found.kind, expected.kind);
  assert.deepEqual(found.dims, expected.dims);
  for (const [i, want] of expected.data.entries()) {
    const have = found.data[i]!;
    const near = Object.is(have, want) || Math.abs(have - want) <= tolerance * Math.max(1, Math.abs(want));
    assert.ok(near, `element ${i} is ${have}, not ${want}`);
  }
}

/** What the reference has no room for in a case; undefined where it should answer it. */
function unfit(model: Model, folder: string): string | undefined {
  const missing = model.graph.nodes.map(opKey).find((key) => !Object.hasOwn(KERNELS, key));
  if (missing !== undefined) return `no ${missing}`;
  const types = [...model.graph.inputs, ...model.graph.outputs].map(({ type }) => type);
  const odd = types.find(({ kind }) => kind !== 'tensor');
  if (odd !== undefined) return `${odd.kind} values`;
  for (const [i] of model.graph.inputs.entries()) {
    const path = join(folder, `input_${i}.pb`);
    if (!existsSync(path)) return 'an input is not given';
  }
  const dtypes = types.map((type) => (type.kind === 'tensor' ? type.dtype : 'string'));
  return dtypes.find((dtype) => /^(float[48]|u?int[24]$|string|complex)/.test(dtype));
}

function run({ folder }: Case, model: Model, kernels: Kernels): void {
  const data = join(folder, 'test_data_set_0');
  const feeds: Record<string, Value> = {};
  for (const [i, { name }] of model.graph.inputs.entries())
    feeds[name] = ofTensor(readTensor(join(data, `input_${i}.pb`)));
  const found = evaluate(model, feeds, kernels);
  for (const [i, { name }] of model.graph.outputs.entries()) {
    const expected = readTensor(join(data, `output_${i}.pb`));
    assertClose(found[name]!, ofTensor(expected), toleranceOf(expected.dtype));
  }
}

/** The cases that the reference should answer, with their models. */
function fitting(cases: readonly Case[]): { one: Case; model: Model }[] {
  return cases.flatMap((one) => {
    if (EXCEPTIONS.some(([pattern]) => pattern.test(one.name))) return [];
    const model = decodeModel(readFileSync(join(one.folder, 'model.onnx')));
    return unfit(model, join(one.folder, 'test_data_set_0')) === undefined ? [{ one, model }] : [];
  });
}

/** What is wrong with the answer to a case, or undefined. */
function wrongWith(one: Case, model: Model, kernels: Kernels): string | undefined {
  try {
    run(one, model, kernels);
  } catch (thrown) {
    return `${one.name}: ${messageOf(thrown)}`;
  }
}

/** The same kernel, but every element of its first output is a hundredth too large (and 1 more where that is nothing). */
const spoiled =
  (kernel: Kernel): Kernel =>
  (call) => {
    const [first, ...rest] = kernel(call);
    const { kind, dims, data } = first!;
    if (kind === 'bool')
      return [
        like(
          first!,
          dims,
          data.map((v) => 1 - v),
        ),
        ...rest,
      ];
    const more = kind === 'int' ? 1 : 0.01;
    return [
      like(
        first!,
        dims,
        data.map((v) => v + more * Math.max(1, Math.abs(v))),
      ),
      ...rest,
    ];
  };

/** In no official case: compared with ONNX Runtime in evaluate.test.ts. */
const ELSEWHERE = /^(com\.microsoft:|SimplifiedLayerNormalization$)/;

test('the reference answers the official cases', async (t) => {
  const done = await withCases(async (cases) => {
    const tried = fitting(cases);
    const ops = new Set(tried.flatMap(({ model }) => model.graph.nodes.map(opKey)));
    t.diagnostic(`${tried.length} of ${cases.length} cases, ${ops.size} operators`);
    await t.test('within the tolerance', () => {
      const wrong = tried.map(({ one, model }) => wrongWith(one, model, KERNELS));
      assert.deepEqual(
        wrong.filter((why) => why !== undefined),
        [],
      );
      assert.ok(tried.length > 1200, `${tried.length} cases`);
    });
    await t.test('every exception is one', () => {
      for (const [pattern, why] of EXCEPTIONS) {
        const excepted = cases.filter(({ name }) => pattern.test(name));
        assert.ok(excepted.length > 0, why);
        for (const one of excepted) {
          const model = decodeModel(readFileSync(join(one.folder, 'model.onnx')));
          assert.ok(wrongWith(one, model, KERNELS), `${one.name} is answered`);
        }
      }
    });
    for (const [key, kernel] of Object.entries(KERNELS)) {
      if (ELSEWHERE.test(key)) continue;
      await t.test(`a wrong ${key} is noticed`, () => {
        const own = tried.filter(({ model }) => model.graph.nodes.some((node) => opKey(node) === key));
        const kernels = { ...KERNELS, [key]: spoiled(kernel) };
        assert.ok(own.some(({ one, model }) => wrongWith(one, model, kernels) !== undefined));
      });
    }
    return true;
  });
  if (done === undefined) t.skip('data absent');
});
