import { fail } from '../base/index.ts';
import { decodeText } from './byte-strings.ts';
import { shown } from './datatypes.ts';
import { asObject, readHeads, readTensors } from './infer-request.ts';
import { parseJson } from './json-text.ts';
import type { NamedTensor } from './named-tensor.ts';
import { type Parameters, readParameters } from './parameters.ts';

/** The answer to an inference request. */
export interface InferResponse {
  readonly modelName: string | undefined;
  readonly modelVersion: string | undefined;
  readonly id: string | undefined;
  readonly parameters: Parameters;
  readonly outputs: readonly NamedTensor[];
}

/**
 * Reads a whole answer; `headerLength` is its Inference-Header-Content-Length, if it has one. Binary outputs are views into the body. Throws
 * REMOTE_FAILED.
 */
export function readInferResponse(body: Uint8Array, headerLength?: number): InferResponse {
  const blame = 'REMOTE_FAILED';
  if (headerLength !== undefined && headerLength > body.byteLength) {
    throw fail(blame, `the JSON should take ${headerLength} bytes, and the answer has ${body.byteLength}`);
  }
  const text = decodeText(body.subarray(0, headerLength ?? body.byteLength), 'the JSON of the answer', blame);
  const json = asObject(parseJson(text, 'the answer', blame), 'the answer', blame);
  if (!Array.isArray(json.outputs)) throw fail(blame, 'the answer has no list of outputs');
  const lengths = { headerLength, bodyLength: body.byteLength };
  const heads = readHeads(json.outputs, text, 'outputs', lengths, blame);
  return {
    modelName: textOf(json.model_name, 'model_name'),
    modelVersion: textOf(json.model_version, 'model_version'),
    id: textOf(json.id, 'id'),
    parameters: readParameters(json.parameters, 'the answer', blame),
    outputs: readTensors(heads, body, blame),
  };
}

function textOf(value: unknown, name: string): string | undefined {
  if (value === undefined || value === null || typeof value === 'string') return value ?? undefined;
  throw fail('REMOTE_FAILED', `${name} of the answer is ${shown(value)}, no string`);
}
