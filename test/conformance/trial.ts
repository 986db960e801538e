import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import * as ort from 'onnxruntime-node';
import { decodeModel, encodeModel, type Model, type Tensor, verify } from '../../src/graph/index.ts';
import { decodeTensor } from '../../src/graph/wire/decode-tensor.ts';
import { TensorProtoSchema } from '../../src/graph/wire/onnx_pb.ts';
import type { Case } from './cases.ts';

/**
 * What became of a case. `equal`: the rewritten model answers the same bits. `random`: the model answers differently
 * each time, the rewritten one with the same dtypes and shapes. `refused`: the runtime does not run the original.
 */
export type Verdict =
  | { readonly kind: 'equal' | 'random' }
  | { readonly kind: 'refused' | 'wrong'; readonly why: string };

const OPTIONS: ort.InferenceSession.SessionOptions = {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  logSeverityLevel: 4,
};

/** Reads, checks and rewrites the model of a case, and runs both versions on the inputs that come with it. */
export async function tryCase({ folder }: Case): Promise<Verdict> {
  const original = readFileSync(join(folder, 'model.onnx'));
  const model = decodeModel(original);
  const [finding] = verify(model);
  if (finding !== undefined) return { kind: 'wrong', why: `verify: ${finding.message}` };
  const rewritten = encodeModel(model);
  if (!Buffer.from(encodeModel(decodeModel(rewritten))).equals(rewritten))
    return { kind: 'wrong', why: 'writing it a second time gives other bytes' };
  let expected: Answer;
  let feeds: Record<string, ort.Tensor> = {};
  try {
    feeds = feedsOf(model, join(folder, 'test_data_set_0'));
    expected = await answer(original, feeds);
  } catch (error) {
    const why = reasonOf(error);
    if (error instanceof Unsupported) return { kind: 'refused', why };
    const after = await answer(rewritten, feeds).then(() => 'nothing', reasonOf);
    return after === why
      ? { kind: 'refused', why }
      : { kind: 'wrong', why: `refused for ${why}, rewritten ${after}` };
  }
  const found = await answer(rewritten, feeds);
  if (found.exact === expected.exact) return { kind: 'equal' };
  const again = await answer(original, feeds);
  const random = again.exact !== expected.exact && found.form === expected.form;
  return random ? { kind: 'random' } : { kind: 'wrong', why: 'the rewritten model answers other bits' };
}

/** Why the runtime refused, as one word. */
function reasonOf(error: unknown): string {
  const text = String(error);
  if (error instanceof Unsupported) return error.message;
  if (/locale/i.test(text)) return 'no-locale';
  if (/NOT_IMPLEMENTED|Could not find an implementation/.test(text)) return 'no-kernel';
  if (/under development|not a registered function|No Op registered|No opset import/.test(text))
    return 'unknown-op';
  return /Non-zero status code|Got invalid dimensions|Missing Input/.test(text) ? 'run-error' : 'load-error';
}

class Unsupported extends Error {}

function feedsOf(model: Model, folder: string): Record<string, ort.Tensor> {
  for (const { type } of model.graph.outputs) {
    const what = type.kind === 'tensor' ? type.dtype : type.kind;
    if (what !== 'string' && !Object.hasOwn(NAMES, what)) throw new Unsupported(`${what}-output`);
  }
  const feeds: Record<string, ort.Tensor> = {};
  for (const [i, input] of model.graph.inputs.entries()) {
    const path = join(folder, `input_${i}.pb`);
    if (!existsSync(path)) continue;
    if (input.type.kind !== 'tensor') throw new Unsupported(`${input.type.kind}-input`);
    const proto = fromBinary(TensorProtoSchema, readFileSync(path));
    const tensor = decodeTensor(proto, () => {
      throw new Error('no external data here');
    });
    feeds[input.name] = toRuntime(tensor);
  }
  return feeds;
}

/** What the JavaScript binding takes and gives; it crashed on 4-bit outputs. */
const NAMES = {
  float32: 'float32',
  float64: 'float64',
  float16: 'float16',
  int8: 'int8',
  uint8: 'uint8',
  int16: 'int16',
  uint16: 'uint16',
  int32: 'int32',
  uint32: 'uint32',
  int64: 'int64',
  uint64: 'uint64',
  bool: 'bool',
} as const;

function toRuntime(tensor: Tensor): ort.Tensor {
  const dims = [...tensor.dims];
  if (tensor.dtype === 'string') return new ort.Tensor('string', [...tensor.strings()], dims);
  if (!Object.hasOwn(NAMES, tensor.dtype)) throw new Unsupported(`${tensor.dtype}-input`);
  const name = NAMES[tensor.dtype as keyof typeof NAMES];
  const data = tensor.data();
  const Kind = data.constructor as new (length: number) => typeof data;
  const own = new Kind(data.length);
  new Uint8Array(own.buffer).set(tensor.bytes());
  return new ort.Tensor(name, own as ort.Tensor['data'], dims) as ort.Tensor;
}

interface Answer {
  /** Names, dtypes, shapes and bits. */
  readonly exact: string;
  /** The same without the bits. */
  readonly form: string;
}

async function answer(bytes: Uint8Array, feeds: Record<string, ort.Tensor>): Promise<Answer> {
  const session = await ort.InferenceSession.create(bytes, OPTIONS);
  try {
    const results = await session.run(feeds);
    const exact: string[] = [];
    const form: string[] = [];
    for (const name of session.outputNames) {
      const tensor = results[name];
      if (!(tensor instanceof ort.Tensor)) throw new Unsupported('non-tensor-output');
      form.push(`${name} ${tensor.type} [${tensor.dims}]`);
      exact.push(form.at(-1)!, bitsOf(tensor));
    }
    return { exact: exact.join('\n'), form: form.join('\n') };
  } finally {
    await session.release();
  }
}

function bitsOf({ data }: ort.Tensor): string {
  if (Array.isArray(data)) return JSON.stringify(data);
  const { buffer, byteOffset, byteLength } = data as Uint8Array;
  return Buffer.from(buffer, byteOffset, byteLength).toString('base64');
}
