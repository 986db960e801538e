import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { Happened } from '../ports.ts';
import { openTraces, tracesWanted } from './traces.ts';

interface Sent {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly status: { code: number };
  readonly attributes: { key: string; value: Record<string, unknown> }[];
}

/** A collector of OTLP over HTTP that keeps what it gets. */
async function collector(t: TestContext) {
  const bodies: {
    resourceSpans: {
      resource: { attributes: Sent['attributes'] };
      scopeSpans: { spans: Sent[] }[];
    }[];
  }[] = [];
  const headers: NodeJS.Dict<string | string[]>[] = [];
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part);
    headers.push({ ...request.headers, path: request.url });
    bodies.push(JSON.parse(Buffer.concat(parts).toString()));
    response.setHeader('content-type', 'application/json').end('{}');
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  t.after(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, bodies, headers };
}

/** The library reads the variables of the process itself. */
function setEnv(t: TestContext, values: Record<string, string>): void {
  for (const [name, value] of Object.entries(values)) {
    process.env[name] = value;
    t.after(() => delete process.env[name]);
  }
}

const HAPPENED: Happened = {
  protocol: 'rest',
  model: 'digits',
  version: '1',
  key: undefined,
  status: 200,
  totalMs: 10,
  bytesIn: 1,
  bytesOut: 1,
  meter: { version: '1', queueMs: 2, computeMs: 6, cpuSeconds: 0.004, batch: 4, samples: 2, exit: 1 },
  startedAt: Date.now(),
};

test('a request is a span with its queue and its compute inside, below the span of the client', async (t) => {
  const { url, bodies, headers } = await collector(t);
  setEnv(t, {
    OTEL_EXPORTER_OTLP_ENDPOINT: url,
    OTEL_EXPORTER_OTLP_HEADERS: 'x-tenant=shop',
    OTEL_SERVICE_NAME: 'spotter',
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment=test',
  });
  const traces = await openTraces();
  assert.ok(traces);
  traces.request({ ...HAPPENED, traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' });
  traces.request({ ...HAPPENED, status: 500, code: 'RUNTIME_FAILED', meter: undefined });
  // An unsampled client's requests are not sent; what is no trace context is none.
  traces.request({ ...HAPPENED, traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00' });
  traces.request({ ...HAPPENED, meter: undefined, traceparent: 'rubbish' });
  await traces.close();
  const spans = bodies.flatMap(({ resourceSpans }) =>
    resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans)),
  );
  assert.deepEqual(
    spans.map(({ name }) => name),
    ['queue', 'compute', 'infer digits', 'infer digits', 'infer digits'],
  );
  const [queue, compute, request, failed, orphan] = spans as [Sent, Sent, Sent, Sent, Sent];
  assert.equal(request.traceId, '0af7651916cd43dd8448eb211c80319c');
  assert.equal(request.parentSpanId, 'b7ad6b7169203331');
  assert.equal(queue.parentSpanId, request.spanId);
  assert.equal(compute.parentSpanId, request.spanId);
  const ms = ({ startTimeUnixNano: from, endTimeUnixNano: to }: Sent) =>
    Number(BigInt(to) - BigInt(from)) / 1e6;
  assert.ok(Math.abs(ms(request) - 10) < 0.01);
  assert.ok(Math.abs(ms(queue) - 2) < 0.01);
  assert.ok(Math.abs(ms(compute) - 6) < 0.01);
  assert.ok(
    Math.abs(Number(request.startTimeUnixNano) / 1e6 - Date.now()) < 600_000,
    'on the clock of the world',
  );
  assert.equal(failed.status.code, 2);
  assert.equal(request.status.code, 0);
  assert.ok(!orphan.parentSpanId);
  assert.ok(
    compute.attributes.some(({ key, value }) => key === 'modicum.exit' && Number(value.intValue) === 1),
  );
  const resource = bodies[0]?.resourceSpans[0]?.resource.attributes ?? [];
  const named = Object.fromEntries(resource.map(({ key, value }) => [key, value.stringValue]));
  assert.equal(named['service.name'], 'spotter');
  assert.equal(named['deployment.environment'], 'test');
  assert.deepEqual([headers[0]?.path, headers[0]?.['x-tenant']], ['/v1/traces', 'shop']);
});

test('the sampler of the variables is obeyed', async (t) => {
  const { url, bodies } = await collector(t);
  setEnv(t, { OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_TRACES_SAMPLER: 'always_off' });
  const traces = await openTraces();
  traces?.request(HAPPENED);
  await traces?.close();
  assert.equal(bodies.length, 0);
});

test('a collector that is not there holds nobody up', async (t) => {
  setEnv(t, {
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9',
    OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
    OTEL_EXPORTER_OTLP_TIMEOUT: '200',
  });
  const traces = await openTraces();
  assert.match(traces?.warning ?? '', /http\/json/);
  for (let i = 0; i < 5000; i++) traces?.request(HAPPENED);
  await traces?.close();
});

test('without the variables there are no traces', async () => {
  const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' };
  assert.ok(tracesWanted(endpoint));
  assert.ok(tracesWanted({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://127.0.0.1:4318/v1/traces' }));
  assert.ok(!tracesWanted({}));
  assert.ok(!tracesWanted({ ...endpoint, OTEL_SDK_DISABLED: 'TRUE' }));
  assert.ok(!tracesWanted({ ...endpoint, OTEL_TRACES_EXPORTER: 'none' }));
  assert.equal(await openTraces({}), undefined);
});
