import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { type Fault, type PlainRest, type Seen, servePlainRest } from '../../test/plain-server/rest.ts';
import { InferenceClient, type RestClientOptions } from './index.ts';

const x = { shape: [1, 2], data: Float32Array.of(1, 2) };
const refuse =
  (status: number, body = '{"error":"too much"}', headers: Record<string, string> = {}): Fault =>
  (response) => {
    response.writeHead(status, headers).end(body);
  };
const broken: Fault = (response) => {
  response.destroy();
};
const silent: Fault = () => {};

async function within(
  run: (client: InferenceClient, server: PlainRest) => Promise<void>,
  options: RestClientOptions = {},
): Promise<void> {
  const server = await servePlainRest();
  const client = new InferenceClient(`${server.url}/v2/`, { backoffMs: 2, ...options });
  try {
    await run(client, server);
  } finally {
    await client.close();
    await server.close();
  }
}

/** The JSON of a request that came. */
function jsonOf({ headers, body }: Seen) {
  const length = headers['inference-header-content-length'];
  return JSON.parse(body.subarray(0, length === undefined ? undefined : Number(length)).toString());
}

test('the request is as the extension says, its tensors at a multiple of eight bytes', () =>
  within(
    async (client, { seen }) => {
      await client.infer(
        'double',
        { x },
        { version: '2', outputs: ['y'], priority: 1, parameters: { a: 'b' } },
      );
      const [request] = seen as [Seen];
      assert.equal(request.path, '/v2/models/double/versions/2/infer');
      assert.equal(request.headers['content-type'], 'application/octet-stream');
      assert.equal(request.headers.authorization, 'Bearer secret');
      assert.equal(request.headers['x-team'], 'green');
      const length = Number(request.headers['inference-header-content-length']);
      assert.equal(length % 8, 0);
      assert.equal(request.body.length, length + 8);
      assert.deepEqual(jsonOf(request), {
        parameters: { a: 'b', priority: 1, binary_data_output: true },
        inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], parameters: { binary_data_size: 8 } }],
        outputs: [{ name: 'y' }],
      });
    },
    { key: 'secret', headers: { 'x-team': 'green' } },
  ));

test('the server is told of a deadline and of a stream', () =>
  within(async (client, { seen }) => {
    const sequence = { id: 's', start: true };
    await client.infer('double', { x }, { timeoutMs: 5000, sequence });
    const { parameters } = jsonOf(seen[0]!);
    assert.ok(parameters.timeout > 0 && parameters.timeout <= 5_000_000, String(parameters.timeout));
    assert.deepEqual(
      [parameters.sequence_id, parameters.sequence_start, parameters.sequence_end],
      ['s', true, false],
    );
  }));

test('a refused request is sent again, after the wait that the server asks for', () =>
  within(async (client, { seen, faults }) => {
    faults.push(refuse(503, undefined, { 'retry-after-ms': '60' }), broken);
    const start = performance.now();
    const { tries, outputs } = await client.infer('double', { x }, { timeoutMs: 30_000 });
    assert.equal(tries, 3);
    assert.ok(performance.now() - start >= 59);
    assert.deepEqual(outputs.y!.numbers(), [2, 4]);
    const [first, , third] = seen.map((one) => jsonOf(one).parameters.timeout);
    assert.ok(third < first, 'each try tells what is left');
  }));

test('it ends when the tries are used up, or the wait would outlast the deadline', () =>
  within(async (client, { seen, faults }) => {
    for (let i = 0; i < 4; i++) faults.push(refuse(503));
    await assert.rejects(client.infer('double', { x }), { code: 'OVERLOADED', message: /too much/ });
    assert.equal(seen.length, 4);
    faults.push(refuse(503, undefined, { 'retry-after': '120' }));
    await assert.rejects(client.infer('double', { x }, { timeoutMs: 60_000 }), (error: { data: object }) => {
      assert.deepEqual({ ...error.data, url: '' }, { url: '', status: 503, retryAfterMs: 120_000 });
      return true;
    });
    assert.equal(seen.length, 5);
    const soon = new Date(Date.now() + 3_600_000).toUTCString();
    faults.push(refuse(429, '{"error":"slower"}', { 'retry-after': soon }));
    await assert.rejects(client.infer('double', { x }), { code: 'KEY_LIMITED' });
    assert.equal(seen.length, 6);
  }));

test('a step of a stream is not sent twice when its fate is unknown, and is where it was refused', () =>
  within(async (client, { seen, faults }) => {
    const sequence = { id: 's' };
    faults.push(broken);
    await assert.rejects(client.infer('double', { x }, { sequence }), { code: 'REMOTE_FAILED' });
    assert.equal(seen.length, 1);
    faults.push(refuse(503));
    assert.equal((await client.infer('double', { x }, { sequence })).tries, 2);
  }));

test('what the server says is wrong comes back under its code, and is not sent again', () =>
  within(
    async (client, { seen, faults }) => {
      const cases: [Fault, string, RegExp][] = [
        [refuse(400), 'REQUEST_INVALID', /answered 400: too much/],
        [refuse(401), 'KEY_REFUSED', /401/],
        [refuse(413), 'REQUEST_TOO_LARGE', /413/],
        [refuse(504), 'DEADLINE_MISSED', /504/],
        [refuse(500), 'REMOTE_FAILED', /500/],
        [refuse(500, '{"error":"bad shape","code":"FEED_MISMATCH"}'), 'FEED_MISMATCH', /bad shape/],
        [
          refuse(404, '{"error":"The server has no such model: no m","code":"MODEL_UNKNOWN"}'),
          'MODEL_UNKNOWN',
          /^The server has no such model: http\S+ answered 404: no m$/,
        ],
        [refuse(400, '{"error":"odd","code":"toString"}'), 'REQUEST_INVALID', /odd/],
        [refuse(502, '<html>gateway</html>'), 'REMOTE_FAILED', /<html>gateway/],
        [refuse(404, ''), 'MODEL_UNKNOWN', /nothing more/],
        [refuse(200, 'no JSON'), 'REMOTE_FAILED', /no JSON/],
        [refuse(200, '{}'), 'REMOTE_FAILED', /no list of outputs/],
        [refuse(200, '{"outputs":[]}', { 'inference-header-content-length': '99' }), 'REMOTE_FAILED', /99/],
        [refuse(302, '', { location: 'http://127.0.0.1:1/' }), 'REMOTE_FAILED', /redirect/],
      ];
      for (const [fault, code, message] of cases) {
        seen.length = 0;
        faults.push(fault);
        await assert.rejects(client.infer('double', { x }), { code, message });
      }
    },
    { retries: 0 },
  ));

test('many calls at once are no leak, and none is left behind', () =>
  within(async (client) => {
    const warnings: Error[] = [];
    const hear = (warning: Error) => void warnings.push(warning);
    process.on('warning', hear);
    await Promise.all(Array.from({ length: 30 }, () => client.infer('double', { x })));
    await new Promise((done) => setImmediate(done));
    process.off('warning', hear);
    assert.deepEqual(warnings, []);
  }));

test('a deadline ends the call, and so does its caller, who leaves nothing behind', () =>
  within(async (client, { faults }) => {
    faults.push(silent);
    await assert.rejects(client.infer('double', { x }, { timeoutMs: 30 }), { code: 'DEADLINE_MISSED' });
    const controller = new AbortController();
    faults.push(silent);
    const waiting = client.infer('double', { x }, { signal: controller.signal });
    setTimeout(() => controller.abort(new Error('changed my mind')), 20);
    await assert.rejects(waiting, { message: 'changed my mind' });
    await assert.rejects(client.infer('double', { x }, { signal: controller.signal }), {
      message: 'changed my mind',
    });
    await assert.rejects(client.live({ signal: controller.signal }), { message: 'changed my mind' });
    // While it waits for another try too.
    const second = new AbortController();
    faults.push(refuse(503, undefined, { 'retry-after': '20' }));
    const retrying = client.infer('double', { x }, { signal: second.signal });
    setTimeout(() => second.abort(new Error('enough')), 20);
    await assert.rejects(retrying, { message: 'enough' });
    const third = new AbortController();
    await client.infer('double', { x }, { signal: third.signal });
    assert.equal(getEventListeners(third.signal, 'abort').length, 0);
    faults.push(silent);
    const closed = client.infer('double', { x });
    setTimeout(() => client.close(), 20);
    await assert.rejects(closed, { code: 'SESSION_CLOSED' });
  }));

test('a server that is not ready, or not there, is not ready', () =>
  within(async (client, { faults, close }) => {
    faults.push(refuse(400, ''), refuse(200, '{"live":false}'), refuse(200, ''));
    assert.deepEqual(
      [await client.ready(), await client.ready(), await client.ready()],
      [false, false, true],
    );
    await close();
    assert.equal(await client.live(), false);
    await assert.rejects(client.infer('double', { x }), { code: 'REMOTE_FAILED' });
  }));
