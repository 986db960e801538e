import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { sizeOf, Tensor } from '../src/graph/index.ts';
import type { Meter, Models, Observer, Served, Ticket } from '../src/serve/index.ts';
import { restApp, startGrpc } from '../src/serve/index.ts';

/**
 * A server of `bench rest` in a process of its own, so that its CPU time is its own too: "ours" over a model that only copies, or "bare",
 * what one writes by hand on node:http for the same job. Prints nothing; talks to its parent.
 */
const [kind = '', inline = ''] = process.argv.slice(2);

const METER: Meter = { version: '1', queueMs: 0, computeMs: 0, cpuSeconds: 0, batch: 1, samples: 1 };

/** Answers what it was given: all that is measured is the way there and back. */
const copying: Served = {
  ...{ name: 'copy', version: '1', platform: 'onnx_onnxv1', metadata: new Map() },
  inputs: [{ name: 'x', dtype: 'float32', shape: [null, null] }],
  outputs: [{ name: 'y', dtype: 'float32', shape: [null, null] }],
  sampleAxis: { x: 0 },
  take({ shapes }): Ticket {
    const dims = shapes.x!;
    let bytes: Uint8Array | undefined;
    return {
      bytesOf: () => sizeOf(dims) * 4,
      write(_input, at, part) {
        bytes ??= new Uint8Array(sizeOf(dims) * 4);
        bytes.set(part, at);
      },
      give(_input, tensor) {
        bytes = tensor.bytes();
      },
      submit: async () => ({ fetches: { y: Tensor.ofBytes('float32', dims, bytes!) }, meter: METER }),
      cancel() {},
    };
  },
  state: () => ({ ready: true, queued: 0, inFlight: 0, instances: 1, curve: [], goalMs: 0, maxBatch: 1 }),
};
const models: Models = {
  names: () => ['copy'],
  versions: () => ['1'],
  lease: () => ({ served: copying, release() {} }),
  ready: () => true,
  index: () => [],
};
const observer: Observer = { request() {}, batch() {}, event() {}, headers: () => ({}) };

async function ours() {
  const limits = inline === '' ? {} : { inlineBytes: Number(inline) };
  const app = await restApp(models, observer, { limits });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const grpc = await startGrpc(models, observer, { host: '127.0.0.1', port: 0 });
  return { port: (app.server.address() as AddressInfo).port, grpc: grpc.port };
}

/** The same job by hand: binary bodies come back, JSON is parsed into a Float32Array and written again. */
async function bare() {
  const server = createServer((request, response) => {
    const length = Number(request.headers['content-length']);
    const whole = Buffer.allocUnsafe(length);
    let at = 0;
    request.on('data', (part: Buffer) => {
      whole.set(part, at);
      at += part.byteLength;
    });
    request.on('end', () => {
      if (request.headers['content-type'] === 'application/octet-stream') {
        response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': length });
        response.end(whole);
        return;
      }
      const { inputs } = JSON.parse(whole.toString()) as { inputs: { shape: number[]; data: number[] }[] };
      const data = Float32Array.from(inputs[0]!.data);
      const outputs = [{ name: 'y', datatype: 'FP32', shape: inputs[0]!.shape, data: Array.from(data) }];
      const body = JSON.stringify({ model_name: 'copy', model_version: '1', outputs });
      response.writeHead(200, {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
      });
      response.end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port, grpc: 0 };
}

const ports = await (kind === 'bare' ? bare() : ours());
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  // µs of all threads, and ms that the thread of I/O was not idle.
  process.send!({ cpu: user + system, busy: performance.eventLoopUtilization().active });
});
process.on('disconnect', () => process.exit(0));
process.send!(ports);
