import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { ModicumError, messageOf, SILENT } from '../../src/base/index.ts';
import { COMPILED_OPS, freezeShapes } from '../../src/edge/index.ts';
import { cloneModel, decodeModel, type Model, opKey, type Tensor } from '../../src/graph/index.ts';
import { decodeTensor } from '../../src/graph/wire/decode-tensor.ts';
import { TensorProtoSchema } from '../../src/graph/wire/onnx_pb.ts';
import { cleanUp } from '../../src/transform/index.ts';
import { type Case, withCases } from '../conformance/cases.ts';
import { ROOT } from '../shared-data.ts';
import { compiledAnswers, relativeError } from './compiled.ts';

const LIST = join(ROOT, 'test/edge/not-compiled.txt');
const HEADER =
  '# Official ONNX cases whose operators all have a kernel, and which the edge compiler refuses, with its reason. UPDATE=1 rewrites it.';

function read(folder: string, name: string): Tensor | undefined {
  const path = join(folder, 'test_data_set_0', name);
  if (!existsSync(path)) return undefined;
  return decodeTensor(fromBinary(TensorProtoSchema, readFileSync(path)), () => {
    throw new Error('no external data here');
  });
}

/** Cases whose expected numbers are written with four digits. */
const ROUNDED = ['node/test_averagepool_2d_ceil_last_window_starts_on_pad'];

interface Trial {
  readonly model: Model;
  readonly feeds: Record<string, Tensor>;
  readonly wanted: Record<string, Tensor>;
}

/** The case, with the inputs that are no data (axes, shapes, pads) as constants where `settled`. */
async function trialOf({ folder }: Case, settled: boolean): Promise<Trial | undefined> {
  const decoded = cloneModel(decodeModel(readFileSync(join(folder, 'model.onnx'))));
  const { graph } = decoded;
  if (graph.nodes.length === 0 || !graph.nodes.every((node) => COMPILED_OPS.includes(opKey(node))))
    return undefined;
  if ([...graph.inputs, ...graph.outputs].some(({ type }) => type.kind !== 'tensor')) return undefined;
  const feeds: Record<string, Tensor> = {};
  const wanted: Record<string, Tensor> = {};
  for (const [i, { name }] of graph.inputs.entries()) {
    const tensor = read(folder, `input_${i}.pb`);
    if (tensor !== undefined) feeds[name] = tensor;
  }
  for (const [i, { name }] of graph.outputs.entries()) {
    const tensor = read(folder, `output_${i}.pb`);
    if (tensor === undefined) return undefined;
    wanted[name] = tensor;
  }
  if (settled) {
    for (const { name } of graph.inputs.slice(1)) {
      graph.initializers.set(name, feeds[name]!);
      delete feeds[name];
    }
    graph.inputs = graph.inputs.slice(0, 1);
  }
  const shapes = Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, tensor.dims]));
  const frozen = freezeShapes(decoded, { shapes });
  return { model: (decoded.opsets.get('') ?? 1) < 13 ? await upgraded(frozen) : frozen, feeds, wanted };
}

async function upgraded(model: Model): Promise<Model> {
  return (await cleanUp.apply(model, { opset: 13 }, { progress: SILENT, seed: 0 })).model;
}

/** Undefined where it answers rightly, else why it is refused. Throws where it answers wrongly. */
async function verdictOf(trial: Case, settled: boolean): Promise<string | undefined> {
  const made = await trialOf(trial, settled);
  if (made === undefined) return 'not ours';
  try {
    const found = await compiledAnswers(made.model, made.feeds);
    for (const [name, want] of Object.entries(made.wanted)) {
      const error = relativeError(found[name]!, want);
      assert.ok(
        error <= (ROUNDED.includes(trial.name) ? 1e-3 : 1e-5),
        `${trial.name}: ${name} is off by ${error}`,
      );
    }
    return undefined;
  } catch (cause) {
    if (!(cause instanceof ModicumError)) throw new Error(`${trial.name}: ${messageOf(cause)}`, { cause });
    return `${cause.code} ${cause.message.slice(cause.message.indexOf(': ') + 2)}`;
  }
}

test('the official cases of every operator with a kernel come out right', async (t) => {
  const result = await withCases(async (cases) => {
    const refused: string[] = [];
    const wrong: string[] = [];
    let right = 0;
    for (const trial of cases) {
      try {
        let why = await verdictOf(trial, false);
        if (why === 'not ours') continue;
        if (why !== undefined) why = await verdictOf(trial, true);
        if (why === undefined) right += 1;
        else refused.push(`${trial.name} ${why}`);
      } catch (cause) {
        wrong.push(messageOf(cause).slice(0, 300));
      }
    }
    return { refused: refused.sort(), wrong, right };
  });
  if (result === undefined) return t.skip('data absent');
  t.diagnostic(`${result.right} right, ${result.refused.length} refused`);
  assert.deepEqual(result.wrong, []);
  if (process.env.UPDATE === '1') writeFileSync(LIST, `${HEADER}\n${result.refused.join('\n')}\n`);
  const listed = readFileSync(LIST, 'utf8')
    .split('\n')
    .slice(1)
    .filter((line) => line !== '');
  assert.deepEqual(result.refused, listed);
});
