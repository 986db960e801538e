import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { ModicumError } from '../../src/base/index.ts';
import { decodeModel, type Model, type Tensor } from '../../src/graph/index.ts';
import { decodeTensor } from '../../src/graph/wire/decode-tensor.ts';
import { TensorProtoSchema } from '../../src/graph/wire/onnx_pb.ts';
import { EXACT_PASSES, step, upgradeOpset } from '../../src/transform/index.ts';
import { answersOf, holdToContract } from '../contracts/pass-contract.ts';
import { ROOT } from '../shared-data.ts';
import { withCases } from './cases.ts';

const skipped = new Set(
  readFileSync(join(ROOT, 'test/conformance/known-failures.txt'), 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[0]!),
);

function feedsOf(model: Model, folder: string): Record<string, Tensor> | undefined {
  const feeds: Record<string, Tensor> = {};
  for (const [i, input] of model.graph.inputs.entries()) {
    const path = join(folder, 'test_data_set_0', `input_${i}.pb`);
    if (!existsSync(path)) continue;
    if (input.type.kind !== 'tensor') return undefined;
    const proto = fromBinary(TensorProtoSchema, readFileSync(path));
    feeds[input.name] = decodeTensor(proto, () => {
      throw new Error('no external data here');
    });
  }
  return feeds;
}

test('the exact passes keep their contract on the official ONNX cases', async (t) => {
  let [tried, refused] = [0, 0];
  const broken: string[] = [];
  const changed = new Map<string, number>();
  const ran = await withCases(async (cases) => {
    for (const { name, folder } of cases) {
      if (skipped.has(name)) continue;
      const model = decodeModel(readFileSync(join(folder, 'model.onnx')));
      const feeds = feedsOf(model, folder);
      if (feeds === undefined) continue;
      // Some cases answer with sequences, or with random numbers.
      const answers = await answersOf(model, feeds).catch(() => undefined);
      if (answers === undefined || /random|bernoulli|dropout.*training|training_dropout/.test(name)) continue;
      tried++;
      const steps = { ...EXACT_PASSES, 'upgrade to 21': () => step(upgradeOpset, { to: 21 }) };
      for (const [pass, make] of Object.entries(steps)) {
        try {
          const did = await holdToContract(make(), model, feeds, answers);
          if (did) changed.set(pass, (changed.get(pass) ?? 0) + 1);
        } catch (cause) {
          if (cause instanceof ModicumError && cause.code === 'OPSET_NOT_CONVERTED') refused++;
          else broken.push(`${pass} on ${name}: ${(cause as Error).message.slice(0, 200)}`);
        }
      }
    }
    return true;
  });
  if (ran === undefined) return t.skip('data absent');
  t.diagnostic(`${tried} cases; changed: ${[...changed].map(([pass, n]) => `${pass} ${n}`).join(', ')}`);
  t.diagnostic(`${refused} opset conversions refused`);
  assert.deepEqual(broken, []);
  assert.ok(tried > 1000);
});
