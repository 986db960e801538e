import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { GrpcInferenceClient, type GrpcTls } from '../../src/client/index.ts';
import { Certificates, startGrpc } from '../../src/serve/index.ts';
import { servePlainGrpc } from '../plain-server/grpc.ts';
import { Authority, CAN_SIGN } from './certificates.ts';
import { openPlain } from './plain-models.ts';
import { eventually } from './raw-http.ts';

const skip = CAN_SIGN ? false : 'no openssl command';
const inputs = {
  x: { shape: [1, 3], data: Float32Array.of(1, 2, 3) },
  k: { shape: [1, 2], data: BigInt64Array.of(4n, -5n) },
};

test('gRPC over TLS and mutual TLS; strangers are refused by both sides', { skip }, async () => {
  const [authority, strangers] = [new Authority(), new Authority('Strangers')];
  const server = authority.sign('server');
  const plain = await openPlain('pair');
  const text = (path: string) => readFileSync(path, 'utf8');
  const [ca, others] = [text(authority.ca), text(strangers.ca)];
  const signed = ({ cert, key }: { cert: string; key: string }) => ({ cert: text(cert), key: text(key) });
  const mine = signed(authority.sign('client'));
  const theirs = signed(strangers.sign('client'));
  for (const clientCa of [undefined, authority.ca]) {
    const certificates = await Certificates.open({ ...server, clientCa });
    const { port, cut } = await startGrpc(plain.models, plain.observer, {
      host: '127.0.0.1',
      port: 0,
      tls: certificates,
    });
    const answered = async (url: string, tls?: GrpcTls): Promise<number[]> => {
      const client = new GrpcInferenceClient(`${url}:${port}`, { tls, retries: 0, timeoutMs: 3000 });
      try {
        const { outputs } = await client.infer('pair', inputs);
        return outputs.y!.numbers();
      } finally {
        await client.close();
      }
    };
    try {
      const good = clientCa === undefined ? { ca } : { ca, ...mine };
      assert.deepEqual(await answered('grpcs://127.0.0.1', good), [2, 4, 6]);
      assert.deepEqual(await answered('grpcs://localhost', good), [2, 4, 6]);
      await assert.rejects(answered('grpcs://127.0.0.1', { ...good, ca: others }), { code: 'REMOTE_FAILED' });
      await assert.rejects(answered('grpcs://127.0.0.1'), { code: 'REMOTE_FAILED' }, 'authorities of Node');
      await assert.rejects(answered('grpc://127.0.0.1'), { code: 'REMOTE_FAILED' }, 'without TLS');
      if (clientCa !== undefined) {
        await assert.rejects(answered('grpcs://127.0.0.1', { ca }), { code: 'REMOTE_FAILED' });
        await assert.rejects(answered('grpcs://127.0.0.1', { ca, ...theirs }), { code: 'REMOTE_FAILED' });
      }
    } finally {
      certificates.close();
      await cut();
    }
  }
  await plain.close();
});

test('a connection that breaks under a step of a stream is told, and the step is sent once; other calls go again', async () => {
  const server = await servePlainGrpc();
  const sockets = new Set<Socket>();
  const way = createServer((socket) => {
    const onward = connect(server.port, '127.0.0.1');
    for (const end of [socket, onward]) sockets.add(end.on('error', () => {}));
    socket.pipe(onward).pipe(socket);
  });
  await new Promise<void>((resolve) => way.listen(0, '127.0.0.1', resolve));
  const client = new GrpcInferenceClient(`grpc://127.0.0.1:${(way.address() as AddressInfo).port}`, {
    backoffMs: 5,
    timeoutMs: 10_000,
  });
  const x = { shape: [1, 2], data: Float32Array.of(1, 2) };
  const asked = () => server.seen.filter(({ method }) => method === 'ModelInfer').length;
  /** Cuts the wire when the server has the request and before it answers. */
  const cutAfter = async (count: number) => {
    server.faults.push('silence');
    await eventually(() => asked() === count, 'the request at the server');
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  };
  try {
    const cut = cutAfter(1);
    const step = client.infer('double', { x }, { sequence: { id: 's', start: true } });
    await assert.rejects(step, { code: 'REMOTE_FAILED' });
    await cut;
    assert.equal(asked(), 1);
    const again = cutAfter(2);
    const { outputs, tries } = await client.infer('double', { x });
    await again;
    assert.deepEqual([outputs.y!.numbers(), tries, asked()], [[2, 4], 2, 3]);
  } finally {
    await client.close();
    for (const socket of sockets) socket.destroy();
    way.close();
    await server.close();
  }
});
