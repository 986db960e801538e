import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * A server of the Open Inference Protocol v2 whose service time is known: one request at a time, each `serviceMs` after the one before
 * it or after its coming, whichever is later. Its times follow from each other and not from when a timer rang, so lateness of one
 * answer is not handed on to those behind it.
 */
export interface ConstantServer {
  readonly url: string;
  /** From now on requests are counted afresh; the one of number `stalled`, from 0, takes `stallMs`. */
  begin(stall?: { readonly stalled: number; readonly stallMs: number }): void;
  close(): Promise<void>;
}

const METADATA = {
  name: 'constant',
  versions: ['1'],
  platform: 'constant',
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 1] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 1] }],
};
const ANSWER = JSON.stringify({
  model_name: 'constant',
  model_version: '1',
  outputs: [{ name: 'y', datatype: 'FP32', shape: [1, 1], data: [0] }],
});
const JSON_HEADERS = { 'content-type': 'application/json' };

export async function serveConstant(serviceMs: number): Promise<ConstantServer> {
  let free = 0;
  let number = 0;
  let stall: Parameters<ConstantServer['begin']>[0];
  const server = createServer((request, response) => {
    if (request.method !== 'POST') {
      const server = { name: 'constant', version: '1', extensions: ['binary_tensor_data'] };
      const body = request.url === '/v2' ? server : METADATA;
      request.resume();
      response.writeHead(200, JSON_HEADERS).end(JSON.stringify(body));
      return;
    }
    request.resume().on('end', () => {
      const takes = number++ === stall?.stalled ? stall.stallMs : serviceMs;
      free = Math.max(free, performance.now()) + takes;
      at(free, () => response.writeHead(200, JSON_HEADERS).end(ANSWER));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v2/models/constant`,
    begin(next) {
      number = 0;
      stall = next;
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

/** Timers have steps of a millisecond; the last one is waited for in turns of the event loop. */
function at(due: number, call: () => void): void {
  const left = due - performance.now();
  if (left <= 0) call();
  else if (left > 2) setTimeout(at, left - 2, due, call);
  else setImmediate(at, due, call);
}

/**
 * What the queries of a first-come, first-served server take, ms, by when they come (ascending, ms) and how long each is served: known
 * without any measuring (Lindley's recursion).
 */
export function knownLatencies(
  comings: ArrayLike<number>,
  serviceMs: (query: number) => number,
): Float64Array {
  const latencies = new Float64Array(comings.length);
  let free = 0;
  for (let i = 0; i < comings.length; i++) {
    free = Math.max(free, comings[i]!) + serviceMs(i);
    latencies[i] = free - comings[i]!;
  }
  return latencies;
}
