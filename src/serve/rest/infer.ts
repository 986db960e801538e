import type { ServerResponse } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Tensor } from '../../graph/index.ts';
import { type EncodedBody, encodeInferResponse } from '../../protocol/index.ts';
import { Call } from '../door/call.ts';
import type { Answered } from '../ports.ts';
import type { Context } from './context.ts';
import { readInfer, type Understood } from './read-infer.ts';
import { judge, refuse } from './refuse.ts';

interface Ending {
  status: number;
  code?: string;
  bytesIn: number;
  bytesOut: number;
  id?: string;
}

/** POST .../infer. The answer is written here and not by Fastify: its tensors leave from where they are, without being joined. */
export async function infer(context: Context, asked: FastifyRequest, reply: FastifyReply): Promise<void> {
  const [request, response] = [asked.raw, reply.raw];
  reply.hijack();
  const { guest, arrival } = context.visits.get(request)!;
  const { model, version } = asked.params as { model: string; version?: string };
  const { traceparent } = request.headers;
  const call = new Call(context.door, {
    protocol: 'rest',
    ...{ guest, model, version, arrival },
    ...(typeof traceparent === 'string' && TRACE.test(traceparent) && { traceparent }),
  });
  const holding = context.door.held.open();
  const ending: Ending = { status: 499, code: 'CANCELLED', bytesIn: 0, bytesOut: 0 };
  const over = untilOver(response, () => call.gone());
  try {
    // Whoever asks for what is not there is told so before a byte of the body is read.
    void call.served;
    const understood = await readInfer({
      ...{ context, call, request, holding },
      counted: (bytes) => {
        ending.bytesIn = bytes;
      },
      named: (id) => {
        ending.id = id;
      },
    });
    const answered = await call.submit();
    const body = await encode(context, call, understood, answered);
    if (!response.destroyed) {
      ending.bytesOut = write(context, response, body, call.costs());
      ending.status = 200;
      ending.code = undefined;
    }
  } catch (error) {
    const refusal = judge(error, context.door.observer, request.url ?? '');
    ending.status = refusal.http;
    ending.code = refusal.code;
    ending.bytesOut = refuse(request, response, refusal);
  } finally {
    holding.release();
    // Whoever left before the answer was out has not had it.
    if (!(await over)) {
      ending.status = 499;
      ending.code = 'CANCELLED';
    }
    call.end(ending);
  }
}

const TRACE = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}/;

/** Resolves with true when the answer was handed to the socket, with false when the client is gone before. */
function untilOver(response: ServerResponse, gone: () => void): Promise<boolean> {
  return new Promise((resolve) => {
    response.once('finish', () => resolve(true));
    response.once('close', () => {
      if (!response.writableFinished) gone();
      resolve(response.writableFinished);
    });
  });
}

async function encode(
  { threads, limits }: Context,
  { served }: Call,
  { id, outputs, binary }: Understood,
  { fetches, meter }: Answered,
): Promise<EncodedBody> {
  const names = outputs ?? served.outputs.map(({ name }) => name);
  const sent = [...new Set(names)].map((name) => ({ name, tensor: fetches[name]!, binary: binary(name) }));
  const answer = { modelName: served.name, modelVersion: meter.version, id, outputs: sent };
  const asText = sent.reduce((sum, one) => sum + (one.binary ? 0 : sizeAsText(one.tensor)), 0);
  return asText <= limits.inlineBytes ? encodeInferResponse(answer) : threads.write(answer);
}

/** Bytes that a tensor takes as JSON, roughly: a number some ten. */
function sizeAsText(tensor: Tensor): number {
  if (tensor.dtype !== 'string') return tensor.size * 10;
  return tensor.strings().reduce((sum, text) => sum + text.length + 3, 0);
}

/** Writes the answer; answers its bytes. */
function write(
  { pace }: Context,
  response: ServerResponse,
  { chunks, byteLength, contentType, headerLength }: EncodedBody,
  costs: Record<string, string>,
): number {
  response.writeHead(200, {
    'content-type': contentType,
    'content-length': String(byteLength),
    ...(headerLength !== undefined && { 'inference-header-content-length': String(headerLength) }),
    ...costs,
  });
  const unwatch = pace.answer({
    startedAt: performance.now(),
    bytes: 0,
    late: () => response.destroy(),
  });
  response.once('close', unwatch);
  response.cork();
  for (const chunk of chunks.slice(0, -1)) response.write(chunk);
  response.end(chunks.at(-1));
  response.uncork();
  return byteLength;
}
