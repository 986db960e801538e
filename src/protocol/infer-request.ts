import { fail } from '../base/index.ts';
import type { DType, Tensor } from '../graph/index.ts';
import { type Placed, placeBinary } from './binary-plan.ts';
import type { Blame } from './blame.ts';
import { dtypeOf, shown } from './datatypes.ts';
import { tensorOfElements } from './json-elements.ts';
import { parseExactly, parseJson, wasRounded } from './json-text.ts';
import { type NamedTensor, tensorOfRaw } from './named-tensor.ts';
import { countOf, flagOf, type Parameters, readParameters } from './parameters.ts';
import { readShape } from './shape.ts';

/** A tensor as the JSON of a message describes it. */
export interface TensorHead {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly parameters: Parameters;
  /** Where its bytes lie in the body; undefined: its elements are in `data`. */
  readonly binary: Placed | undefined;
  readonly data: unknown;
}

export interface RequestedOutput {
  readonly name: string;
  readonly parameters: Parameters;
}

/** An inference request, with everything but the elements of its tensors checked. */
export interface InferRequest {
  readonly id: string | undefined;
  readonly parameters: Parameters;
  readonly inputs: readonly TensorHead[];
  /** Undefined: all. */
  readonly outputs: readonly RequestedOutput[] | undefined;
}

/** Where the JSON of a body ends and how long the whole is: both known before the body has come. */
export interface BodyLengths {
  /** Inference-Header-Content-Length. Undefined: the body is all JSON, and no tensor can be binary. */
  readonly headerLength?: number;
  /** Content-Length. Undefined: not known yet; then compare with `binaryEnd` when it is. */
  readonly bodyLength?: number;
}

/**
 * Reads the JSON of an inference request. Of its binary inputs it says where their bytes will lie in the body, so that a server can put them
 * where they belong while they arrive. Throws REQUEST_INVALID.
 */
export function readInferRequest(text: string, lengths: BodyLengths = {}): InferRequest {
  const blame = 'REQUEST_INVALID';
  const json = asObject(parseJson(text, 'the request', blame), 'the request', blame);
  const { id } = json;
  if (id !== undefined && typeof id !== 'string')
    throw fail(blame, `id is ${shown(id)}; it must be a string`);
  if (!Array.isArray(json.inputs)) throw fail(blame, 'the request needs inputs, a list of tensors');
  const inputs = readHeads(json.inputs, text, 'inputs', lengths, blame);
  return {
    id,
    parameters: readParameters(json.parameters, 'the request', blame),
    inputs,
    outputs: json.outputs === undefined ? undefined : readRequested(json.outputs, blame),
  };
}

function readRequested(value: unknown, blame: Blame): RequestedOutput[] {
  if (!Array.isArray(value)) throw fail(blame, 'outputs must be a list');
  const outputs = value.map((one, i) => {
    const { name, parameters } = asObject(one, `outputs[${i}]`, blame);
    if (typeof name !== 'string') throw fail(blame, `outputs[${i}] needs a name`);
    return { name, parameters: readParameters(parameters, `output ${name}`, blame) };
  });
  checkUnique(outputs, 'outputs', blame);
  return outputs;
}

/** Tensors of a message, `list` being its inputs or outputs. Throws `blame`. */
export function readHeads(
  value: readonly unknown[],
  text: string,
  list: 'inputs' | 'outputs',
  lengths: BodyLengths,
  blame: Blame,
): TensorHead[] {
  const singular = list.slice(0, -1);
  const read = value.map((one, i) => {
    const json = asObject(one, `${list}[${i}]`, blame);
    const { name, data } = json;
    if (typeof name !== 'string') throw fail(blame, `${list}[${i}] needs a name`);
    const where = `${singular} ${name}`;
    const dtype = dtypeOf(json.datatype, where, blame);
    const shape = readShape(json.shape, where, blame);
    const parameters = readParameters(json.parameters, where, blame);
    const size = countOf(parameters, 'binary_data_size', where, blame);
    if (size !== undefined && data !== undefined) {
      throw fail(blame, `${where} has data and binary_data_size; give one of them`);
    }
    if (size === undefined && data === undefined) {
      throw fail(blame, `${where} has neither data nor the parameter binary_data_size`);
    }
    return { name, dtype, shape, parameters, data, size };
  });
  checkUnique(read, list, blame);
  const places = placeBinary(read, lengths, blame);
  // Long digits are read again as text, only where a 64-bit tensor has lost some.
  const exact = read.some(isRounded)
    ? (parseExactly(text) as Record<string, { data: unknown }[]>)
    : undefined;
  return read.map((one, i) => ({
    name: one.name,
    dtype: one.dtype,
    shape: one.shape,
    parameters: one.parameters,
    binary: places[i],
    data: exact !== undefined && isRounded(one) ? exact[list]![i]!.data : one.data,
  }));
}

const isRounded = ({ dtype, data }: { dtype: DType; data: unknown }): boolean =>
  (dtype === 'int64' || dtype === 'uint64') && wasRounded(data);

/** The tensor of a head whose elements stand in the JSON. Throws `blame`. */
export function tensorOfJson(head: TensorHead, blame: Blame): Tensor {
  return tensorOfElements(head.dtype, head.shape, head.data, head.name, blame);
}

/** All tensors, binary ones as views into the body. Throws `blame`. */
export function readTensors(heads: readonly TensorHead[], body: Uint8Array, blame: Blame): NamedTensor[] {
  return heads.map((head) => {
    const { name, dtype, shape, binary } = head;
    if (binary === undefined) return { name, tensor: tensorOfJson(head, blame) };
    const { offset, length } = binary;
    if (offset + length > body.byteLength) {
      throw fail(
        blame,
        `${name} should lie at ${offset} with ${length} bytes, and the body has ${body.byteLength}`,
      );
    }
    const bytes = body.subarray(offset, offset + length);
    return { name, tensor: tensorOfRaw(dtype, shape, bytes, name, blame) };
  });
}

/**
 * Whether an output is to be sent in binary form: as it asks itself, else as the request asks for all. Throws REQUEST_INVALID.
 */
export function wantsBinary(request: Pick<InferRequest, 'parameters' | 'outputs'>, output: string): boolean {
  const blame = 'REQUEST_INVALID';
  const own = request.outputs?.find(({ name }) => name === output);
  const asked = own && flagOf(own.parameters, 'binary_data', `output ${output}`, blame);
  return asked ?? flagOf(request.parameters, 'binary_data_output', 'the request', blame) ?? false;
}

/** Throws `blame`. */
export function asObject(value: unknown, where: string, blame: Blame): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw fail(blame, `${where} must be an object, not ${shown(value)}`);
}

function checkUnique(named: readonly { readonly name: string }[], list: string, blame: Blame): void {
  const seen = new Set<string>();
  for (const { name } of named) {
    if (seen.has(name)) throw fail(blame, `${list} name ${shown(name)} twice`);
    seen.add(name);
  }
}
