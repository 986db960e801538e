import type { IncomingMessage } from 'node:http';
import { fail } from '../../base/index.ts';
import {
  type InferRequest,
  isRawOnly,
  rawShape,
  readAsking,
  readHeaderLength,
  readRawRequest,
  wantsBinary,
} from '../../protocol/index.ts';
import type { Call } from '../door/call.ts';
import type { Holding } from '../door/held-bytes.ts';
import type { Context } from './context.ts';
import { Filling } from './fill-ticket.ts';
import { type ReadJson, readJson } from './json-work.ts';
import type { RestLimits } from './options.ts';
import { lengthOfBody, readBody } from './read-body.ts';

const BLAME = 'REQUEST_INVALID';

/** What the answer needs to know of the request. */
export interface Understood {
  readonly id: string | undefined;
  /** In the order of the answer; undefined: all. */
  readonly outputs: readonly string[] | undefined;
  readonly binary: (output: string) => boolean;
}

/** One request on its way in. */
export interface Incoming {
  readonly context: Context;
  readonly call: Call;
  readonly request: IncomingMessage;
  readonly holding: Holding;
  readonly counted: (bytes: number) => void;
  /** Hears of the id as soon as it is known, so that refusals tell it too. */
  readonly named: (id: string | undefined) => void;
}

/**
 * Reads an inference request and fills the place in the batch that it takes, as early as it can: binary tensors go there while they
 * arrive. Throws REQUEST_INVALID, REQUEST_TOO_LARGE, REQUEST_TOO_SLOW, CANCELLED, and as Call.take and Ticket.write do.
 */
export async function readInfer(incoming: Incoming): Promise<Understood> {
  const { context, request } = incoming;
  const { headers } = request;
  checkForm(headers['content-type'], headers['content-encoding'], headers['inference-header-content-length']);
  const bodyLength = lengthOfBody(request, context.limits.bodyBytes);
  const given = headers['inference-header-content-length'];
  const headerLength = readHeaderLength(Array.isArray(given) ? given.join() : given, bodyLength, BLAME);
  if (headerLength === undefined) return readAsJson(incoming, bodyLength);
  if (headerLength === 0) return readAsRaw(incoming, bodyLength);
  return readAsBinary(incoming, headerLength, bodyLength);
}

/** Throws REQUEST_INVALID, with status 415 where the kind of body is none that is read. */
function checkForm(type: string | undefined, encoding: string | undefined, header: unknown): void {
  const media = type?.replace(/;.*/s, '').trim().toLowerCase();
  if (media !== undefined && media !== 'application/json' && media !== 'application/octet-stream') {
    throw fail(BLAME, `content-type must be application/json or application/octet-stream`, { status: 415 });
  }
  if (media === 'application/octet-stream' && header === undefined) {
    throw fail(BLAME, 'application/octet-stream needs the header Inference-Header-Content-Length');
  }
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    throw fail(BLAME, 'the body must not be compressed', { status: 415 });
  }
}

async function readAsJson(incoming: Incoming, length: number | undefined): Promise<Understood> {
  const { context, holding } = incoming;
  const most = context.limits.jsonBytes;
  const bytes = await collect(incoming, length, most);
  const read = await parse(context, bytes, {});
  const understood = take(incoming, read);
  incoming.call.give(read.tensors);
  holding.release();
  return understood;
}

async function readAsRaw(incoming: Incoming, length: number | undefined): Promise<Understood> {
  const { call, request, context, counted } = incoming;
  if (length === undefined) {
    throw fail(BLAME, 'a raw binary request needs Content-Length: it settles the shape', { status: 411 });
  }
  const { served } = call;
  const input = served.inputs[0];
  const axis = input && served.sampleAxis[input.name];
  const shape = rawShape(served.inputs, axis, length);
  const { name, dtype } = input!;
  const asking = readAsking({}, BLAME);
  const ticket = call.take({ inputs: [{ name, dtype, shape }], asking, timeoutMs: timeoutOf(request) });
  const understood = { id: undefined, outputs: undefined, binary: () => true };
  if (dtype === 'string') {
    call.give([
      readRawRequest(served.inputs, axis, await collect(incoming, length, context.limits.bodyBytes)),
    ]);
    return understood;
  }
  const head = { name, dtype, shape, parameters: {}, data: undefined };
  const filling = new Filling([{ ...head, binary: { offset: 0, length } }], ticket, incoming.holding);
  await readBody(request, { most: length, pace: context.pace, counted }, (chunk) => filling.write(chunk));
  filling.end();
  return understood;
}

async function readAsBinary(
  incoming: Incoming,
  headerLength: number,
  bodyLength: number | undefined,
): Promise<Understood> {
  const { context, request, call, holding, counted } = incoming;
  const { jsonBytes, bodyBytes } = context.limits;
  if (headerLength > jsonBytes) throw fail('REQUEST_TOO_LARGE', `its JSON may have ${jsonBytes} bytes`);
  const head = Buffer.allocUnsafeSlow(headerLength);
  let at = 0;
  let understood: Understood | undefined;
  let filling: Filling | undefined;
  const start = (read: ReadJson, rest: Uint8Array) => {
    understood = take(incoming, read);
    call.give(read.tensors);
    filling = new Filling(read.request.inputs, call.ticket, holding);
    filling.write(rest);
  };
  await readBody(request, { most: bodyBytes, pace: context.pace, counted }, (chunk) => {
    if (filling !== undefined) {
      filling.write(chunk);
      return;
    }
    const part = chunk.subarray(0, headerLength - at);
    holding.grow(part.byteLength);
    head.set(part, at);
    at += part.byteLength;
    if (at < headerLength) return;
    const rest = chunk.subarray(part.byteLength);
    const read = parse(context, head, { headerLength, bodyLength });
    if (!(read instanceof Promise)) {
      start(read, rest);
      return;
    }
    return read.then((done) => start(done, rest));
  });
  if (filling === undefined || understood === undefined) {
    throw fail(BLAME, `its body ends at byte ${at} of the ${headerLength} of its JSON`);
  }
  filling.end();
  return understood;
}

/** The whole body, which is held until it is understood. */
async function collect(
  { request, context, holding, counted }: Incoming,
  length: number | undefined,
  most: number,
): Promise<Buffer<ArrayBuffer>> {
  if (length !== undefined && length > most) {
    throw fail('REQUEST_TOO_LARGE', `its JSON may have ${most} bytes`);
  }
  const whole = length === undefined ? undefined : Buffer.allocUnsafeSlow(length);
  const parts: Buffer[] = [];
  let at = 0;
  await readBody(request, { most, pace: context.pace, counted }, (chunk) => {
    holding.grow(chunk.byteLength);
    if (whole === undefined) parts.push(chunk);
    else whole.set(chunk, at);
    at += chunk.byteLength;
  });
  return whole ?? Buffer.from(Buffer.concat(parts, at));
}

function parse(
  { limits, threads }: Context,
  bytes: Buffer<ArrayBuffer>,
  lengths: { headerLength?: number; bodyLength?: number },
): ReadJson | Promise<ReadJson> {
  return bytes.byteLength <= limits.inlineBytes ? readJson(bytes, lengths) : threads.read(bytes, lengths);
}

/** Takes the place in the batch. */
function take({ call, context, request, named }: Incoming, { request: asked }: ReadJson): Understood {
  named(asked.id);
  checkCounts(asked, context.limits);
  const outputs = asked.outputs?.map(({ name }) => name);
  const asking = readAsking(asked.parameters, BLAME);
  // What the answer cannot say is refused before anything is computed.
  for (const { name, dtype } of call.served.outputs) {
    if (outputs !== undefined && !outputs.includes(name)) continue;
    if (!wantsBinary(asked, name) && isRawOnly(dtype)) {
      throw fail(BLAME, `output ${name} has no form in JSON: ask for it with binary_data`);
    }
  }
  call.take({ inputs: asked.inputs, outputs, asking, timeoutMs: timeoutOf(request) });
  return { id: asked.id, outputs, binary: (output) => wantsBinary(asked, output) };
}

function checkCounts({ inputs, outputs = [] }: InferRequest, { tensors, dims }: RestLimits): void {
  if (inputs.length > tensors || outputs.length > tensors) {
    throw fail('REQUEST_TOO_LARGE', `it may name ${tensors} inputs and outputs`);
  }
  const wide = inputs.find(({ shape }) => shape.length > dims);
  if (wide !== undefined) throw fail('REQUEST_TOO_LARGE', `an input may have ${dims} dimensions`);
}

/** The header x-modicum-deadline-ms: how long the answer is worth waiting for. Throws REQUEST_INVALID. */
function timeoutOf(request: IncomingMessage): number | undefined {
  const text = request.headers['x-modicum-deadline-ms'];
  if (text === undefined) return undefined;
  const ms = Number(text);
  if (typeof text === 'string' && /^\d+(\.\d+)?$/.test(text) && ms > 0 && ms <= 86_400_000) return ms;
  throw fail(BLAME, 'x-modicum-deadline-ms must be a number of ms, more than 0 and at most a day');
}
