import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { messageOf } from '../../src/base/index.ts';
import {
  costOf,
  decodeModel,
  type InferOptions,
  inferShapes,
  type Known,
  type Model,
  type Shape,
  type Tensor,
} from '../../src/graph/index.ts';
import { decodeTensor } from '../../src/graph/wire/decode-tensor.ts';
import { TensorProtoSchema } from '../../src/graph/wire/onnx_pb.ts';
import { type Case, withCases } from './cases.ts';

/** The rules of src/graph/ops against the outputs of ONNX's official cases: what a rule says must be so. */

interface Tally {
  outputs: number;
  /** Dtype and every dimension are known. */
  full: number;
  /** Contradictions, by case. */
  wrong: string[];
  /** Ops without a rule. */
  missing: Set<string>;
}

function readTensor(path: string): Tensor {
  return decodeTensor(fromBinary(TensorProtoSchema, readFileSync(path)), () => {
    throw new Error('official cases hold no external data');
  });
}

/** Inputs that are tensors; sequences and optionals are left to the declared types. */
function inputsOf(model: Model, folder: string): Record<string, Tensor> {
  const values: Record<string, Tensor> = {};
  for (const [i, { name, type }] of model.graph.inputs.entries()) {
    const path = join(folder, 'test_data_set_0', `input_${i}.pb`);
    if (type.kind === 'tensor' && existsSync(path)) values[name] = readTensor(path);
  }
  return values;
}

function fits(said: Shape, dims: readonly number[]): boolean {
  if (said === undefined) return true;
  return said.length === dims.length && said.every((dim, i) => typeof dim !== 'number' || dim === dims[i]);
}

const FOLLOWED = new Set(['int64', 'int32', 'bool', 'float32', 'float64']);

function check(
  { name, folder }: Case,
  tally: Tally,
  optionsOf: (values: Record<string, Tensor>) => InferOptions,
  spoil: (found: Known) => Known = (found) => found,
): void {
  const model = decodeModel(readFileSync(join(folder, 'model.onnx')));
  try {
    const inferred = inferShapes(model, { ...optionsOf(inputsOf(model, folder)), declared: false });
    for (const { op } of inferred.missing) tally.missing.add(op);
    for (const cost of Object.values(costOf(model, inferred).total))
      assert.ok(Number.isSafeInteger(cost) && cost >= 0);
    for (const [i, output] of model.graph.outputs.entries()) {
      const path = join(folder, 'test_data_set_0', `output_${i}.pb`);
      if (output.type.kind !== 'tensor' || !existsSync(path)) continue;
      const truth = readTensor(path);
      const { dtype, shape, elements } = spoil(inferred.get(output.name) ?? { shape: undefined });
      tally.outputs += 1;
      if (dtype !== undefined && shape?.every((dim) => typeof dim === 'number')) tally.full += 1;
      assert.equal(dtype ?? truth.dtype, truth.dtype);
      assert.ok(fits(shape, truth.dims), `"${output.name}" is [${truth.dims}], not [${shape}]`);
      if (elements === undefined || !FOLLOWED.has(truth.dtype)) continue;
      for (const [at, value] of truth.numbers().entries()) {
        const said = elements[at] ?? null;
        if (typeof said !== 'number') continue;
        const near = said === value || Math.abs(said - value) <= 1e-5 * Math.max(1, Math.abs(value));
        assert.ok(
          near || (Number.isNaN(said) && Number.isNaN(value)),
          `element ${at} is ${value}, not ${said}`,
        );
      }
    }
  } catch (thrown) {
    tally.wrong.push(`${name}: ${messageOf(thrown)}`);
  }
}

/** Operators that no trained model is served with: gradients and optimizers. */
const BEYOND = /^ai\.onnx\.preview\.training:/;

const WAYS = {
  'shapes of the inputs alone': {
    share: 0.8,
    options: (values: Record<string, Tensor>): InferOptions => ({
      inputShapes: Object.fromEntries(Object.entries(values).map(([name, { dims }]) => [name, dims])),
    }),
  },
  'values of the inputs': {
    share: 0.94,
    options: (values: Record<string, Tensor>): InferOptions => ({ inputValues: values }),
  },
};

test('rules hold on the official cases', async (t) => {
  const done = await withCases(async (cases) => {
    for (const [way, { share, options }] of Object.entries(WAYS)) {
      await t.test(way, (t) => {
        const tally: Tally = { outputs: 0, full: 0, wrong: [], missing: new Set() };
        for (const one of cases) check(one, tally, options);
        const part = tally.full / tally.outputs;
        t.diagnostic(
          `${cases.length} cases, ${tally.outputs} outputs, ${(100 * part).toFixed(1)} % fully inferred`,
        );
        assert.deepEqual(tally.wrong, []);
        assert.deepEqual(
          [...tally.missing].filter((op) => !BEYOND.test(op)),
          [],
        );
        assert.ok(part >= share, `${part} of the outputs`);
      });
    }
    await t.test('the comparison notices a wrong dimension and a wrong dtype', () => {
      const abs = cases.filter(({ name }) => name === 'node/test_abs');
      const spoils: ((found: Known) => Known)[] = [
        (found) => ({ ...found, shape: found.shape?.map((dim, i) => (i === 0 ? Number(dim) + 1 : dim)) }),
        (found) => ({ ...found, shape: found.shape?.slice(1) }),
        (found) => ({ ...found, dtype: 'float64' }),
      ];
      for (const spoil of spoils) {
        const tally: Tally = { outputs: 0, full: 0, wrong: [], missing: new Set() };
        for (const one of abs) check(one, tally, WAYS['values of the inputs'].options, spoil);
        assert.equal(tally.wrong.length, 1);
      }
    });
    return true;
  });
  if (done === undefined) t.skip('data absent');
});
