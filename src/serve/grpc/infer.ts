import { fail } from '../../base/index.ts';
import { encodeGrpcResponse, isRawOnly, readAsking, readGrpcRequest } from '../../protocol/index.ts';
import { Call } from '../door/call.ts';
import type { Door, Guest } from '../door/door.ts';
import { refusalOf } from '../door/statuses.ts';
import { bytesBesideRaw } from './message-size.ts';
import type { GrpcLimits } from './options.ts';

/** A call, as far as inference needs it. */
export interface Asking {
  readonly message: Uint8Array;
  readonly guest: Guest;
  readonly arrival: number;
  /** ms from the arrival; undefined: for ever. */
  readonly timeoutMs: number | undefined;
  readonly traceparent: string | undefined;
  /** Calls back when the client is gone. */
  onGone(listener: () => void): void;
}

/**
 * Answers ModelInfer: the message, and the metadata that says what it has cost. Throws as the port of models does, with REQUEST_INVALID,
 * REQUEST_TOO_LARGE.
 */
export async function inferGrpc(
  door: Door,
  limits: GrpcLimits,
  asking: Asking,
): Promise<{ message: Uint8Array; costs: Record<string, string> }> {
  const { message, guest, arrival, traceparent, timeoutMs } = asking;
  const ending = { status: 200, bytesIn: message.byteLength, bytesOut: 0 } as {
    status: number;
    code?: string;
    bytesIn: number;
    bytesOut: number;
    id?: string;
  };
  const holding = door.held.open();
  let call: Call | undefined;
  try {
    holding.grow(message.byteLength);
    const request = read(message, limits);
    ending.id = request.id;
    const version = request.modelVersion === '' ? undefined : request.modelVersion;
    call = new Call(door, {
      protocol: 'grpc',
      ...{ guest, arrival, model: request.modelName },
      ...(version !== undefined && { version }),
      ...(traceparent !== undefined && { traceparent }),
    });
    asking.onGone(() => call?.gone());
    const inputs = request.inputs.map(({ name, tensor: { dtype, dims } }) => ({ name, dtype, shape: dims }));
    const outputs = request.outputs?.map(({ name }) => name);
    call.take({ inputs, outputs, asking: readAsking(request.parameters, 'REQUEST_INVALID'), timeoutMs });
    call.give(request.inputs);
    const { fetches, meter } = await call.submit();
    const names = new Set(outputs ?? call.served.outputs.map(({ name }) => name));
    const answered = [...names].map((name) => ({ name, tensor: fetches[name]! }));
    const answer = encodeGrpcResponse({
      modelName: call.served.name,
      modelVersion: meter.version,
      ...(request.id !== undefined && { id: request.id }),
      outputs: answered,
      // As it was asked; 16-bit floats have no typed form.
      raw:
        request.raw || request.inputs.length === 0 || answered.some(({ tensor }) => isRawOnly(tensor.dtype)),
    });
    ending.bytesOut = answer.byteLength;
    return { message: answer, costs: call.costs() };
  } catch (error) {
    const refusal = refusalOf(error);
    ending.status = refusal.http;
    ending.code = refusal.code;
    throw error;
  } finally {
    holding.release();
    if (call !== undefined) call.end(ending);
    else {
      door.happened({
        ...{ protocol: 'grpc', model: '', version: '', key: guest.key, ...ending },
        ...{ totalMs: performance.now() - arrival, startedAt: Date.now() },
      });
    }
  }
}

function read(message: Uint8Array, { typedBytes, tensors, dims }: GrpcLimits) {
  if (bytesBesideRaw(message) > typedBytes) {
    throw fail('REQUEST_TOO_LARGE', `beside raw_input_contents a message may have ${typedBytes} bytes`);
  }
  const request = readGrpcRequest(message);
  if (request.inputs.length > tensors || (request.outputs?.length ?? 0) > tensors) {
    throw fail('REQUEST_TOO_LARGE', `it may name ${tensors} inputs and outputs`);
  }
  const wide = request.inputs.find(({ tensor }) => tensor.dims.length > dims);
  if (wide !== undefined) throw fail('REQUEST_TOO_LARGE', `an input may have ${dims} dimensions`);
  return request;
}
