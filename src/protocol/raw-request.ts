import { fail } from '../base/index.ts';
import { byteLengthOf, type DType, type Shape, sizeOf, Tensor } from '../graph/index.ts';
import { decodeText } from './byte-strings.ts';
import { datatypeOf } from './datatypes.ts';
import { type NamedTensor, tensorOfRaw } from './named-tensor.ts';

/** An input of a model, as far as this needs it. */
export interface RawPort {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
}

/**
 * The shape of the one input of a raw binary request (Inference-Header-Content-Length: 0), whose body is nothing but its bytes: one sample, and at most
 * one dimension left open, which the length settles. For BYTES the body is one element, without a length before it.
 * `sampleAxis`: the axis of the samples, if the model has one. Throws REQUEST_INVALID.
 */
export function rawShape(
  inputs: readonly RawPort[],
  sampleAxis: number | undefined,
  bodyLength: number,
): readonly number[] {
  const [input, ...more] = inputs;
  const refuse = (why: string) => fail('REQUEST_INVALID', `a raw binary request (header length 0) ${why}`);
  if (input === undefined || more.length > 0) {
    throw refuse(`is for models of one input, and this has ${inputs.length}`);
  }
  const { name, dtype, shape } = input;
  if (shape === undefined) throw refuse(`cannot say the shape of input ${name}, whose rank is not known`);
  const dims = shape.map((dim, axis) =>
    typeof dim === 'number' ? dim : axis === sampleAxis ? 1 : undefined,
  );
  const open = dims.flatMap((dim, axis) => (dim === undefined ? [axis] : []));
  if (dtype === 'string') {
    const one = dims.map((dim) => dim ?? 1);
    if (sizeOf(one) !== 1) throw refuse(`carries one BYTES element, and input ${name} takes [${one}]`);
    return one;
  }
  if (open.length > 1) throw refuse(`cannot say the ${open.length} open dimensions of input ${name}`);
  const unit = byteLengthOf(dtype, sizeOf(dims.map((dim) => dim ?? 1)));
  const count = open.length === 0 ? 1 : bodyLength / unit;
  if (!Number.isInteger(count) || count * unit !== bodyLength) {
    const wanted = open.length === 0 ? `${unit} bytes` : `a multiple of ${unit} bytes`;
    throw refuse(`of input ${name} (${datatypeOf(dtype)}) takes ${wanted}, and the body has ${bodyLength}`);
  }
  return dims.map((dim) => dim ?? count);
}

/** The input itself. Throws REQUEST_INVALID. */
export function readRawRequest(
  inputs: readonly RawPort[],
  sampleAxis: number | undefined,
  body: Uint8Array,
): NamedTensor {
  const shape = rawShape(inputs, sampleAxis, body.byteLength);
  const { name, dtype } = inputs[0]!;
  if (dtype === 'string') {
    return { name, tensor: Tensor.ofStrings(shape, [decodeText(body, name, 'REQUEST_INVALID')]) };
  }
  return { name, tensor: tensorOfRaw(dtype, shape, body, name, 'REQUEST_INVALID') };
}
