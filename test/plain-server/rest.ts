import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * A server of the Open Inference Protocol v2 over REST with the binary tensor extension, made by hand from the specification alone, so that
 * a client is tested against the protocol and not against code that it shares. Two models: `double` (FP32 x [-1, 2] to y = 2x) and `echo`,
 * which answers every input as an output of the same name.
 */
export interface PlainRest {
  readonly url: string;
  /** What came, oldest first. */
  readonly seen: Seen[];
  /** The next requests are answered by these instead, one each. */
  readonly faults: Fault[];
  close(): Promise<void>;
}

export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

export type Fault = (response: ServerResponse, seen: Seen) => void;

interface Tensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: number[];
  readonly parameters?: Record<string, unknown>;
  readonly data?: unknown[];
  bytes?: Buffer;
}

export interface PlainOptions {
  /** False: a server that knows JSON alone. */
  readonly binary?: boolean;
  /** Headers of every answer. */
  readonly headers?: Record<string, string>;
}

export async function servePlainRest({ binary = true, headers = {} }: PlainOptions = {}): Promise<PlainRest> {
  const seen: Seen[] = [];
  const faults: Fault[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { method = '', url: path = '' } = request;
    const one = { method, path, headers: request.headers, body: Buffer.concat(chunks) };
    seen.push(one);
    const fault = faults.shift();
    if (fault !== undefined) return fault(response, one);
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    if (method === 'OPTIONS') return response.writeHead(204).end();
    answer(one, response, binary);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = () =>
    new Promise<void>((resolve) => {
      server.closeAllConnections();
      server.close(() => resolve());
    });
  return { url: `http://127.0.0.1:${port}`, seen, faults, close };
}

const METADATA: Record<string, object> = {
  double: {
    name: 'double',
    versions: ['1', '2'],
    platform: 'onnx_onnxv1',
    inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }],
    outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 2] }],
  },
  echo: { name: 'echo', platform: 'onnx_onnxv1', inputs: [], outputs: [] },
};

function answer({ method, path, headers, body }: Seen, response: ServerResponse, binary: boolean): void {
  const json = (status: number, value: object) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
  if (path === '/v2/health/live' || path === '/v2/health/ready') return void json(200, { live: true });
  if (path === '/v2') {
    return void json(200, { name: 'plain', version: '1', extensions: binary ? ['binary_tensor_data'] : [] });
  }
  const match = /^\/v2\/models\/([^/]+)(?:\/versions\/([^/]+))?(\/ready|\/infer)?$/.exec(path);
  const name = decodeURIComponent(match?.[1] ?? '');
  const metadata = METADATA[name];
  if (metadata === undefined) return void json(404, { error: `no model ${name}` });
  if (match?.[3] === '/ready') return void json(200, { name, ready: true });
  if (match?.[3] === undefined) return void json(200, metadata);
  if (method !== 'POST') return void json(405, { error: 'POST it' });
  const length = headers['inference-header-content-length'];
  if (length !== undefined && !binary) return void json(400, { error: 'JSON only' });
  const end = length === undefined ? body.length : Number(length);
  const request = JSON.parse(body.subarray(0, end).toString());
  let at = end;
  for (const input of request.inputs as Tensor[]) {
    const size = input.parameters?.binary_data_size as number | undefined;
    if (size === undefined) continue;
    input.bytes = body.subarray(at, at + size);
    at += size;
  }
  if (at !== body.length) return void json(400, { error: `${body.length - at} bytes too many` });
  const inputs = request.inputs as Tensor[];
  const outputs = (name === 'double' ? inputs.map(double) : inputs).filter(
    (output) => request.outputs?.some((one: { name: string }) => one.name === output.name) ?? true,
  );
  const all = request.parameters?.binary_data_output === true;
  const payload: Buffer[] = [];
  const told = outputs.map(({ name, datatype, shape, data, bytes }) => {
    if (!all) return { name, datatype, shape, data: data ?? numbers(bytes!) };
    const raw = bytes ?? floats(data as number[]);
    payload.push(raw);
    return { name, datatype, shape, parameters: { binary_data_size: raw.length } };
  });
  const { id, parameters } = request;
  const text = Buffer.from(
    JSON.stringify({ model_name: name, model_version: '2', id, parameters, outputs: told }),
  );
  if (!all) return void response.writeHead(200, { 'content-type': 'application/json' }).end(text);
  response
    .writeHead(200, {
      'content-type': 'application/octet-stream',
      'inference-header-content-length': String(text.length),
    })
    .end(Buffer.concat([text, ...payload]));
}

function double({ datatype, shape, data, bytes }: Tensor): Tensor {
  const x = (data as number[] | undefined)?.flat(Number.POSITIVE_INFINITY) ?? numbers(bytes!);
  const y = (x as number[]).map((value) => 2 * value);
  return { name: 'y', datatype, shape, data: y };
}

const numbers = (bytes: Buffer): number[] =>
  Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i));

function floats(values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [i, value] of values.entries()) bytes.writeFloatLE(value, 4 * i);
  return bytes;
}
