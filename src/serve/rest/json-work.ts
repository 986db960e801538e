import type { DType } from '../../graph/index.ts';
import { Tensor } from '../../graph/index.ts';
import {
  type BodyLengths,
  encodeInferResponse,
  type InferRequest,
  type NamedTensor,
  readInferRequest,
  type SentResponse,
  tensorOfJson,
} from '../../protocol/index.ts';
import { checkDepth } from './json-depth.ts';

/** The deepest shape that the protocol reads has 64 dimensions; around it stand four brackets more. */
const DEEPEST = 68;

/** An inference request with the tensors that stood in its JSON. */
export interface ReadJson {
  /** The elements are gone from its inputs: they are in `tensors`. */
  readonly request: InferRequest;
  readonly tensors: readonly NamedTensor[];
}

const TEXT = new TextDecoder();

/** Reads the JSON of an inference request and the tensors in it. Throws REQUEST_INVALID. */
export function readJson(bytes: Uint8Array, lengths: BodyLengths): ReadJson {
  checkDepth(bytes, DEEPEST);
  const request = readInferRequest(TEXT.decode(bytes), lengths);
  const tensors = request.inputs.flatMap((head) =>
    head.binary === undefined ? [{ name: head.name, tensor: tensorOfJson(head, 'REQUEST_INVALID') }] : [],
  );
  const inputs = request.inputs.map((head) => ({ ...head, data: undefined }));
  return { request: { ...request, inputs }, tensors };
}

/** A tensor as a message between threads. */
export interface Packed {
  readonly name: string;
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly content: Uint8Array | readonly string[];
}

/** As a message; with `copied`, of bytes that may be given away, whoever else reads the tensor. */
export function pack({ name, tensor }: NamedTensor, transfer: ArrayBuffer[], copied: boolean): Packed {
  const { dtype, dims } = tensor;
  if (dtype === 'string') return { name, dtype, dims, content: tensor.strings() };
  const bytes = tensor.bytes();
  const content = copied || bytes.byteLength !== bytes.buffer.byteLength ? new Uint8Array(bytes) : bytes;
  if (content.buffer instanceof ArrayBuffer && !transfer.includes(content.buffer)) {
    transfer.push(content.buffer);
  }
  return { name, dtype, dims, content };
}

export function unpack({ name, dtype, dims, content }: Packed): NamedTensor {
  const tensor =
    content instanceof Uint8Array ? Tensor.ofBytes(dtype, dims, content) : Tensor.ofStrings(dims, content);
  return { name, tensor };
}

/** What a thread is asked, with the number that its answer has too. */
export type Work = { readonly id: number } & (
  | { readonly kind: 'read'; readonly bytes: Uint8Array; readonly lengths: BodyLengths }
  | {
      readonly kind: 'write';
      readonly response: Omit<SentResponse, 'outputs'>;
      readonly outputs: readonly Written[];
    }
);

export interface Written extends Packed {
  readonly binary: boolean;
}

export type Done = { readonly id: number } & (
  | { readonly kind: 'read'; readonly request: InferRequest; readonly tensors: readonly Packed[] }
  | { readonly kind: 'write'; readonly body: ReturnType<typeof encodeInferResponse> }
  | { readonly kind: 'failed'; readonly code: string | undefined; readonly message: string }
);

/** Does the work, wherever it is called. */
export function work(asked: Work, transfer: ArrayBuffer[]): Done {
  if (asked.kind === 'read') {
    const { request, tensors } = readJson(asked.bytes, asked.lengths);
    return { id: asked.id, kind: 'read', request, tensors: tensors.map((one) => pack(one, transfer, false)) };
  }
  const outputs = asked.outputs.map((one) => ({ ...unpack(one), binary: one.binary }));
  const body = encodeInferResponse({ ...asked.response, outputs });
  for (const { buffer } of body.chunks) {
    if (buffer instanceof ArrayBuffer && !transfer.includes(buffer)) transfer.push(buffer);
  }
  return { id: asked.id, kind: 'write', body };
}
