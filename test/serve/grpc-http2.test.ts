import assert from 'node:assert/strict';
import { copyFileSync, readFileSync } from 'node:fs';
import { connect, constants } from 'node:http2';
import { test } from 'node:test';
import { credentials } from '@grpc/grpc-js';
import { Certificates, Door, leave, startGrpc } from '../../src/serve/index.ts';
import { Authority, CAN_SIGN } from './certificates.ts';
import { inferResponse, WireClient } from './grpc-wire.ts';
import { openPlain } from './plain-models.ts';
import { eventually, Wire } from './raw-http.ts';

const HOST = { host: '127.0.0.1', port: 0 };
const LIVE = '/inference.GRPCInferenceService/ServerLive';
const NOTHING = new Uint8Array(0);
const RAW = {
  model: 'pair',
  inputs: [
    { name: 'x', datatype: 'FP32', shape: [1, 3] },
    { name: 'k', datatype: 'INT64', shape: [1, 2] },
  ],
  raw: [new Uint8Array(12), new Uint8Array(16)],
};

test('windows, streams and connections are those of the limits', async () => {
  const plain = await openPlain('pair');
  const limits = { streams: 7, windowBytes: 2 ** 20, connections: 3 };
  const server = await startGrpc(plain.models, plain.observer, { ...HOST, limits });
  const sessions = Array.from({ length: 5 }, () => connect(`http://127.0.0.1:${server.port}`));
  try {
    for (const session of sessions) session.on('error', () => {});
    await eventually(() => sessions.filter(({ destroyed }) => destroyed).length === 2, 'two are not taken');
    const session = sessions.find(({ destroyed }) => !destroyed)!;
    await eventually(() => session.remoteSettings.maxConcurrentStreams === 7, 'the settings came');
    assert.equal(session.remoteSettings.initialWindowSize, 2 ** 20);
    await eventually(() => session.state.remoteWindowSize === 2 ** 20, 'the window of the connection came');
  } finally {
    for (const session of sessions) session.destroy();
    await server.cut();
    await plain.close();
  }
});

test('a flood of streams that are opened and reset ends the connection, not the server', async () => {
  const plain = await openPlain('pair');
  const server = await startGrpc(plain.models, plain.observer, { ...HOST, limits: { streams: 16 } });
  const session = connect(`http://127.0.0.1:${server.port}`, { settings: { enablePush: false } });
  session.on('error', () => {});
  try {
    const headers = { ':method': 'POST', ':path': LIVE, 'content-type': 'application/grpc', te: 'trailers' };
    let opened = 0;
    for (let round = 0; round < 400 && !session.destroyed && !session.closed; round++) {
      for (let i = 0; i < 16; i++) {
        const stream = session.request(headers);
        stream.on('error', () => {});
        stream.close(constants.NGHTTP2_CANCEL);
        opened += 1;
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(session.destroyed, `${opened} streams were opened and reset`);
    const client = new WireClient(server.port);
    await client.call(LIVE, NOTHING);
    assert.equal(inferResponse((await client.infer(RAW)).message).model, 'pair');
    client.close();
    await eventually(() => plain.models.leases === 0 && plain.served.pair.taken === 0, 'nothing is held');
  } finally {
    session.destroy();
    await server.cut();
    await plain.close();
  }
});

test('bytes that are no HTTP/2, and calls that are no gRPC, are refused', async () => {
  const plain = await openPlain('pair');
  const server = await startGrpc(plain.models, plain.observer, HOST);
  try {
    const wire = new Wire(server.port);
    wire.send('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
    await wire.closed();
    const session = connect(`http://127.0.0.1:${server.port}`);
    const status = await new Promise((resolve) => {
      session
        .request({ ':method': 'POST', ':path': LIVE, 'content-type': 'text/plain' })
        .on('response', (head) => resolve(head[':status']))
        .resume()
        .end();
    });
    assert.equal(status, 415);
    session.destroy();
  } finally {
    await server.cut();
    await plain.close();
  }
});

test('a server that leaves answers what it was asked, and takes no more', async () => {
  const plain = await openPlain('pair');
  const door = new Door(plain.models, plain.observer);
  const server = await startGrpc(plain.models, plain.observer, { ...HOST, door });
  const client = new WireClient(server.port);
  let open = () => {};
  plain.served.pair.gate = new Promise((resolve) => {
    open = resolve;
  });
  const asked = client.infer(RAW);
  await eventually(() => plain.served.pair.taken === 1, 'a request is under way');
  const left = leave(door, [server], { graceMs: 0, drainMs: 10_000 });
  await eventually(() => door.phase === 'closed', 'it takes no more');
  await assert.rejects(new WireClient(server.port).infer(RAW, { deadline: 500 }));
  open();
  assert.equal(inferResponse((await asked).message).model, 'pair');
  assert.equal(await left, 0);
  client.close();
  await plain.close();
});

const skip = CAN_SIGN ? false : 'skipped: no openssl command to make certificates with';

test('TLS and mutual TLS, and certificates that are renewed', { skip }, async () => {
  const [authority, strangers] = [new Authority(), new Authority('Strangers')];
  const mine = authority.sign('server');
  const tls = await Certificates.open({ ...mine, clientCa: authority.ca });
  const plain = await openPlain('pair');
  const server = await startGrpc(plain.models, plain.observer, { ...HOST, tls });
  const live = async (who?: { cert: string; key: string }, ca = authority.ca) => {
    const files = who && ([readFileSync(who.key), readFileSync(who.cert)] as const);
    const secure = credentials.createSsl(readFileSync(ca), files?.[0], files?.[1]);
    const client = new WireClient(server.port, secure);
    try {
      await client.call(LIVE, NOTHING, { deadline: 2000 });
    } finally {
      client.close();
    }
  };
  try {
    await live(authority.sign('client'));
    await assert.rejects(live());
    await assert.rejects(live(strangers.sign('client')));
    await assert.rejects(live(authority.sign('client'), strangers.ca));
    const plainText = new WireClient(server.port);
    await assert.rejects(plainText.call(LIVE, NOTHING, { deadline: 1000 }));
    plainText.close();
    // Signed by another from now on: who trusts only the first is told apart at once.
    const renewed = strangers.sign('server');
    copyFileSync(renewed.cert, mine.cert);
    copyFileSync(renewed.key, mine.key);
    await tls.look();
    await live(authority.sign('client'), strangers.ca);
  } finally {
    tls.close();
    await server.cut();
    await plain.close();
  }
});
