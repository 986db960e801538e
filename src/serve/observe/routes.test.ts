import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fastify from 'fastify';
import { openObservation } from './observation.ts';
import { observeRoutes } from './routes.ts';
import type { SeriesDocument } from './series.ts';

async function app(t: TestContext) {
  const observation = await openObservation({ env: {}, powercap: '/nowhere', log: { level: 'silent' } });
  const server = fastify();
  await server.register(observeRoutes, observation);
  t.after(async () => {
    await observation.close();
    // fetch opens connections ahead, on which nothing was ever asked.
    server.server.closeAllConnections();
    await server.close();
  });
  return { server, observation };
}

test('metrics and series are served; odd queries do no harm', async (t) => {
  const { server } = await app(t);
  const metrics = await server.inject('/metrics');
  assert.match(String(metrics.headers['content-type']), /^text\/plain; version=0\.0\.4/);
  assert.match(metrics.body, /^modicum_ready 0$/m);
  assert.match(metrics.body, /^process_cpu_seconds_total /m);
  const series = await server.inject('/v2/modicum/series?step=5');
  assert.equal(series.json<SeriesDocument>().times.length, 180);
  assert.equal((await server.inject('/v2/modicum/series?step=5&step=6&seconds=%00')).statusCode, 200);
});

test('the stream greets with the series, goes on by the second, and ends with the server', async (t) => {
  const { server, observation } = await app(t);
  const address = await server.listen({ host: '127.0.0.1', port: 0 });
  const response = await fetch(`${address}/v2/modicum/live?step=60`);
  assert.match(response.headers.get('content-type') ?? '', /^text\/event-stream/);
  const kinds: string[] = [];
  let text = '';
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const [kind = '', data = ''] = text.slice(0, end).split('\n');
      text = text.slice(end + 2);
      kinds.push(kind);
      const value = JSON.parse(data.slice('data: '.length));
      assert.ok(value.server.now > 0);
      if (kinds.length === 2) await observation.close();
    }
  }
  assert.deepEqual(kinds.slice(0, 2), ['event: hello', 'event: second']);
});

test('listeners are few, and are forgotten when they leave', async (t) => {
  const { server, observation } = await app(t);
  const address = await server.listen({ host: '127.0.0.1', port: 0 });
  const stop = new AbortController();
  const all = await Promise.all(
    Array.from({ length: 64 }, () => fetch(`${address}/v2/modicum/live?step=60`, { signal: stop.signal })),
  );
  assert.ok(all.every(({ status }) => status === 200));
  assert.equal(observation.live.size, 64);
  const refused = await fetch(`${address}/v2/modicum/live`);
  assert.notEqual(refused.status, 200);
  assert.match(await refused.text(), /too many dashboards/);
  stop.abort();
  for (let i = 0; i < 500 && observation.live.size > 0; i++)
    await new Promise((done) => setTimeout(done, 10));
  assert.equal(observation.live.size, 0);
});
