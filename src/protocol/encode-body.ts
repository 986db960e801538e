import { DTYPES } from '../graph/index.ts';
import type { Blame } from './blame.ts';
import { encodeText } from './byte-strings.ts';
import { elementsText, tensorText } from './json-text.ts';
import { datatypeOfSent, type NamedTensor, rawOf } from './named-tensor.ts';
import type { Parameters } from './parameters.ts';

/** A body to send: its parts are views of the tensors where possible, not copies. */
export interface EncodedBody {
  /** For Inference-Header-Content-Length. Undefined: the body is all JSON. */
  readonly headerLength: number | undefined;
  readonly contentType: 'application/octet-stream' | 'application/json';
  readonly byteLength: number;
  readonly chunks: readonly Uint8Array[];
}

/** The parts as one. */
export function joinChunks({ chunks, byteLength }: Pick<EncodedBody, 'chunks' | 'byteLength'>): Uint8Array {
  if (chunks.length === 1) return chunks[0]!;
  const whole = new Uint8Array(byteLength);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  return whole;
}

export interface SentTensor extends NamedTensor {
  readonly binary: boolean;
  readonly parameters?: Parameters;
}

export interface SentRequest {
  readonly inputs: readonly SentTensor[];
  /** Default: all. */
  readonly outputs?: readonly { readonly name: string; readonly parameters?: Parameters }[];
  readonly id?: string;
  readonly parameters?: Parameters;
}

/**
 * An inference request. Binary inputs are ordered by the width of their elements, widest first: behind the padded JSON each is then
 * aligned for its own type without a byte between them, and a server can compute on views. Throws REQUEST_INVALID.
 */
export function encodeInferRequest({ inputs, outputs, id, parameters }: SentRequest): EncodedBody {
  const width = ({ tensor }: SentTensor) => DTYPES[tensor.dtype].bits;
  const ordered = inputs.toSorted((a, b) => width(b) - width(a));
  const { texts, payload } = tensors(ordered, 'REQUEST_INVALID');
  const members = [
    ...(id === undefined ? [] : [`"id":${JSON.stringify(id)}`]),
    ...(isEmpty(parameters) ? [] : [`"parameters":${JSON.stringify(parameters)}`]),
    `"inputs":[${texts}]`,
    ...(outputs === undefined ? [] : [`"outputs":${JSON.stringify(outputs)}`]),
  ];
  return body(`{${members}}`, payload);
}

export interface SentResponse {
  readonly modelName: string;
  readonly modelVersion?: string;
  readonly id?: string;
  readonly parameters?: Parameters;
  readonly outputs: readonly SentTensor[];
}

/** An inference response; its outputs stay in their order. Throws REQUEST_INVALID where an output cannot be sent in the form asked for. */
export function encodeInferResponse({
  modelName,
  modelVersion,
  id,
  parameters,
  outputs,
}: SentResponse): EncodedBody {
  const { texts, payload } = tensors(outputs, 'REQUEST_INVALID');
  const members = [
    `"model_name":${JSON.stringify(modelName)}`,
    ...(modelVersion === undefined ? [] : [`"model_version":${JSON.stringify(modelVersion)}`]),
    ...(id === undefined ? [] : [`"id":${JSON.stringify(id)}`]),
    ...(isEmpty(parameters) ? [] : [`"parameters":${JSON.stringify(parameters)}`]),
    `"outputs":[${texts}]`,
  ];
  return body(`{${members}}`, payload);
}

const isEmpty = (parameters: Parameters | undefined) =>
  parameters === undefined || Object.keys(parameters).length === 0;

function tensors(
  sent: readonly SentTensor[],
  blame: Blame,
): { texts: string[]; payload: Uint8Array[] | undefined } {
  const payload: Uint8Array[] = [];
  const texts = sent.map(({ name, tensor, binary, parameters }) => {
    const datatype = datatypeOfSent(name, tensor, blame);
    if (!binary) {
      const data = elementsText(name, tensor, blame);
      return tensorText(name, datatype, tensor.dims, { parameters, data });
    }
    const raw = rawOf(tensor);
    payload.push(raw);
    const own = { ...parameters, binary_data_size: raw.byteLength };
    return tensorText(name, datatype, tensor.dims, { parameters: own });
  });
  return { texts, payload: sent.some(({ binary }) => binary) ? payload : undefined };
}

/** The JSON is padded with spaces, so that the tensors behind it start at a multiple of 8 bytes. */
function body(json: string, payload: readonly Uint8Array[] | undefined): EncodedBody {
  const bare = encodeText(json);
  if (payload === undefined) {
    return {
      headerLength: undefined,
      contentType: 'application/json',
      byteLength: bare.byteLength,
      chunks: [bare],
    };
  }
  const gap = -bare.byteLength & 7;
  const head = gap === 0 ? bare : encodeText(json + ' '.repeat(gap));
  const chunks = [head, ...payload.filter(({ byteLength }) => byteLength > 0)];
  const byteLength = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
  return { headerLength: head.byteLength, contentType: 'application/octet-stream', byteLength, chunks };
}
