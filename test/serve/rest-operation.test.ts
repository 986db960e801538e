import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { get } from 'node:https';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { Certificates, Door, leave, makeKey, restApp, restListener } from '../../src/serve/index.ts';
import { Authority, CAN_SIGN } from './certificates.ts';
import { openPlain } from './plain-models.ts';
import { ask, eventually, jsonOf, post, Wire } from './raw-http.ts';
import { startRest } from './rest-server.ts';

const PAIR = {
  inputs: [
    { name: 'x', datatype: 'FP32', shape: [2, 3], data: [1, 2, 3, 4, 5, 6] },
    { name: 'k', datatype: 'INT64', shape: [2, 2], data: [1, 2, 3, 4] },
  ],
};
const INFER = '/v2/models/pair/infer';

test('keys: asked for everywhere but at the probes, limited by requests and samples, told to the observer', async () => {
  const ann = makeKey('ann', { requestsPerSecond: 0.001, burst: 3 });
  const ben = makeKey('ben', { samplesPerSecond: 0.001 });
  const server = await startRest({ keys: [ann.record, ben.record] }, 'pair');
  try {
    const { port, observer } = server;
    for (const path of ['/livez', '/readyz', '/startupz', '/v2/health/live', '/v2/health/ready']) {
      assert.equal((await ask(port, path)).status, 200, path);
    }
    const paths = [
      '/v2',
      '/v2/models',
      '/v2/models/pair',
      '/v2/models/pair/ready',
      '/v2/models/stats',
      '/openapi.json',
      '/nowhere',
    ];
    for (const path of paths) {
      const answer = await ask(port, path);
      assert.deepEqual(
        [answer.status, jsonOf(answer).code, answer.headers['www-authenticate']],
        [401, 'KEY_REFUSED', 'Bearer'],
        path,
      );
    }
    assert.equal((await post(port, INFER, PAIR)).status, 401);
    assert.equal((await post(port, INFER, PAIR, { authorization: `Bearer ${ann.key}x` })).status, 401);
    assert.deepEqual(
      observer.happened.map(({ status, model }) => [status, model]),
      [
        [401, 'pair'],
        [401, 'pair'],
      ],
    );
    const asAnn = { authorization: `Bearer ${ann.key}` };
    assert.equal((await post(port, INFER, PAIR, asAnn)).status, 200);
    assert.equal(observer.happened.at(-1)!.key, 'ann');
    assert.equal(server.served.pair.asks.at(-1)!.key, 'ann');
    // The streams of one key cannot be reached by another.
    const stream = { ...PAIR, parameters: { sequence_id: 's' } };
    assert.equal((await post(port, INFER, stream, asAnn)).status, 200);
    assert.notEqual(server.served.pair.asks.at(-1)!.sequence!.id, 's');
    assert.equal((await ask(port, '/v2', { headers: asAnn })).status, 200);
    const fourth = await post(port, INFER, PAIR, asAnn);
    assert.deepEqual([fourth.status, jsonOf(fourth).code], [429, 'KEY_LIMITED']);
    assert.ok(Number(fourth.headers['retry-after']) > 1);
    // Two samples pass a bucket of one, and are owed.
    assert.equal((await post(port, INFER, PAIR, { 'x-api-key': ben.key })).status, 200);
    const owed = await post(port, INFER, PAIR, { 'x-api-key': ben.key });
    assert.deepEqual([owed.status, jsonOf(owed).code], [429, 'KEY_LIMITED']);
    assert.equal(server.models.leases, 0);
  } finally {
    await server.close();
  }
});

test('pages of other origins are kept out, but for those that are named', async () => {
  const server = await startRest(
    { origins: ['https://good.example'], keys: [makeKey('ann').record] },
    'pair',
  );
  try {
    const preflight = (origin: string) =>
      ask(server.port, INFER, {
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': 'POST' },
      });
    const good = await preflight('https://good.example');
    assert.equal(good.status, 204);
    assert.equal(good.headers['access-control-allow-origin'], 'https://good.example');
    assert.match(
      good.headers['access-control-allow-headers']!,
      /authorization.*inference-header-content-length/,
    );
    const bad = await preflight('https://bad.example');
    assert.deepEqual([bad.status, bad.headers['access-control-allow-origin']], [401, undefined]);
    const probe = await ask(server.port, '/livez', { headers: { origin: 'https://good.example' } });
    assert.deepEqual(
      [probe.headers['access-control-allow-origin'], probe.headers.vary],
      ['https://good.example', 'origin'],
    );
  } finally {
    await server.close();
  }
  const closed = await startRest({}, 'pair');
  try {
    const answer = await ask(closed.port, '/livez', { headers: { origin: 'https://good.example' } });
    assert.equal(answer.headers['access-control-allow-origin'], undefined);
    assert.equal(answer.headers['x-content-type-options'], 'nosniff');
    assert.match(answer.headers['content-security-policy']!, /default-src 'none'/);
  } finally {
    await closed.close();
  }
});

test('models are managed only where that is allowed', async () => {
  const done: string[] = [];
  const management = {
    load: async (model: string) => void done.push(`load ${model}`),
    unload: async (model: string) => void done.push(`unload ${model}`),
  };
  const server = await startRest({ management }, 'pair');
  try {
    const path = '/v2/repository/models/pair';
    assert.equal((await post(server.port, `${path}/load`, {})).status, 200);
    assert.equal((await ask(server.port, `${path}/unload`, { method: 'POST' })).status, 200);
    assert.deepEqual(done, ['load pair', 'unload pair']);
    const file = { parameters: { 'file:1/model.onnx': 'AAAA' } };
    assert.equal((await post(server.port, `${path}/load`, file)).status, 400);
    assert.equal(done.length, 2);
  } finally {
    await server.close();
  }
});

test('a server that leaves is not ready first, answers what it was asked, and then refuses', async () => {
  const plain = await openPlain('pair');
  const door = new Door(plain.models, plain.observer);
  const app = await restApp(plain.models, plain.observer, { door });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  let open = () => {};
  plain.served.pair.gate = new Promise((resolve) => {
    open = resolve;
  });
  const kept = new Wire(port);
  kept.send('GET /v2 HTTP/1.1\r\nhost: x\r\n\r\n');
  await kept.until(/"modicum"/);
  const asked = post(port, INFER, PAIR);
  await eventually(() => plain.served.pair.taken === 1, 'a request is under way');
  const left = leave(door, [restListener(app)], { graceMs: 300, drainMs: 10_000 });
  const during = await ask(port, '/readyz');
  assert.deepEqual([during.status, during.headers.connection], [503, 'close']);
  assert.equal((await ask(port, '/livez')).status, 200);
  assert.equal((await ask(port, '/v2')).status, 200);
  await eventually(() => door.phase === 'closed', 'it takes no more');
  await assert.rejects(ask(port, '/livez'), { code: 'ECONNREFUSED' });
  open();
  assert.equal((await asked).status, 200);
  assert.equal(await left, 0);
  kept.socket.destroy();
  await plain.close();
});

test('a request that does not end does not keep a server from leaving; nor does one on a kept connection', async () => {
  const plain = await openPlain('pair');
  const door = new Door(plain.models, plain.observer);
  const app = await restApp(plain.models, plain.observer, { door });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  let open = () => {};
  plain.served.pair.gate = new Promise((resolve) => {
    open = resolve;
  });
  const wire = new Wire(port);
  const body = JSON.stringify(PAIR);
  const request = `POST ${INFER} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  wire.send(request);
  await eventually(() => plain.served.pair.taken === 1, 'a request is under way');
  const left = leave(door, [restListener(app)], { graceMs: 0, drainMs: 400 });
  await eventually(() => door.phase === 'closed', 'it takes no more');
  // Behind the one that waits, on the same connection.
  wire.send(request);
  assert.equal(await left, 1);
  assert.doesNotMatch(await wire.closed(), /HTTP\/1\.1 200/);
  assert.equal(plain.served.pair.asks.length, 1);
  open();
  await eventually(() => plain.models.leases === 0 && door.inside === 0, 'all is given back');
  await plain.close();
});

const skip = CAN_SIGN ? false : 'skipped: no openssl command to make certificates with';

test('TLS and mutual TLS, and certificates that are renewed', { skip }, async () => {
  const [authority, strangers] = [new Authority(), new Authority('Strangers')];
  const mine = authority.sign('server');
  const tls = await Certificates.open({ ...mine, clientCa: authority.ca });
  const plain = await openPlain('pair');
  const app = await restApp(plain.models, plain.observer, { tls });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const status = (who?: { cert: string; key: string }) =>
    new Promise<{ status: number; subject: string; strict: unknown }>((resolve, reject) => {
      const files = who && { cert: readFileSync(who.cert), key: readFileSync(who.key) };
      get(
        { host: '127.0.0.1', port, path: '/livez', ca: readFileSync(authority.ca), agent: false, ...files },
        (answer) => {
          const socket = answer.socket as import('node:tls').TLSSocket;
          const subject = socket.getPeerCertificate().fingerprint256;
          answer.resume().on('end', () =>
            resolve({
              status: answer.statusCode!,
              subject,
              strict: answer.headers['strict-transport-security'],
            }),
          );
        },
      ).on('error', reject);
    });
  try {
    const first = await status(authority.sign('client'));
    assert.equal(first.status, 200);
    assert.match(String(first.strict), /max-age/);
    await assert.rejects(status());
    await assert.rejects(status(strangers.sign('client')));
    // Plain HTTP on this port is no HTTP at all.
    await assert.rejects(ask(port, '/livez'));
    authority.sign('server');
    await tls.look();
    const renewed = await status(authority.sign('client'));
    assert.notEqual(renewed.subject, first.subject);
  } finally {
    tls.close();
    app.server.closeAllConnections();
    await app.close();
    await plain.close();
  }
});
