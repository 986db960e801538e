import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { GrpcInferenceClient, InferenceClient } from '../../src/client/index.ts';
import { Tensor } from '../../src/graph/index.ts';
import { openSession } from '../../src/run/index.ts';
import type { SeriesDocument } from '../../src/serve/index.ts';
import { assertFailed, makeFolder, modicum, removeFolder, temporary } from './cli.ts';
import { type Serving, startServing, writeSpotter } from './serving.ts';

const SHAPE = [1, 1, 49, 10];
const clip = (seed: number) =>
  Tensor.float32(
    SHAPE,
    Array.from({ length: 490 }, (_, i) => Math.sin(i * seed)),
  );

describe('modicum serve', () => {
  let folder = '';
  let bundle = '';
  let serving: Serving;
  const cleaning: (() => unknown)[] = [];
  before(async () => {
    folder = await makeFolder();
    bundle = await writeSpotter(folder);
    const life = { after: (clean: () => unknown) => void cleaning.push(clean) };
    serving = await startServing(life as Parameters<typeof startServing>[0], folder, [
      ...[bundle, '--price', '7.2', '--watts-per-core', '10'],
    ]);
  });
  after(async () => {
    for (const clean of cleaning) await clean();
    await removeFolder(folder);
  });

  test('says what it serves, and the line to try works', async () => {
    assert.match(serving.welcome, /spotter +1 +mfcc float32\[N, 1, 49, 10\] +5000 ms +1/);
    const line = /Try it:\n([\s\S]+?)\n\n/.exec(serving.welcome)?.[1];
    const { stdout } = await promisify(execFile)('sh', ['-c', line!]).catch((error) => {
      if (/curl: (?:command )?not found/.test(String(error.stderr))) return { stdout: '' };
      throw error;
    });
    if (stdout !== '') assert.deepEqual(JSON.parse(stdout).outputs[0].shape, [1, 12]);
  });

  test('answers what the engine answers: JSON, binary and gRPC, with what it has cost', async () => {
    const session = await openSession(join(bundle, 'models/light.onnx'), { threads: 1 });
    const { scores } = await session.run({ mfcc: clip(0.3) });
    await session.dispose();
    const want = scores!.as('float32');
    const near = (got: ArrayLike<number>) => {
      for (const [i, value] of want.entries())
        assert.ok(Math.abs(got[i]! - value) < 1e-4, `${got[i]}, not ${value}`);
    };
    const answer = await fetch(`${serving.url}/v2/models/spotter/infer`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        id: 'one',
        inputs: [{ name: 'mfcc', shape: SHAPE, datatype: 'FP32', data: [...clip(0.3).as('float32')] }],
      }),
    });
    const body = (await answer.json()) as { id: string; outputs: { data: number[] }[] };
    assert.equal(answer.status, 200, JSON.stringify(body));
    assert.equal(body.id, 'one');
    near(body.outputs[0]!.data);
    const header = (name: string) => answer.headers.get(`x-modicum-${name}`);
    assert.equal(header('version'), '1');
    assert.equal(header('joules-method'), 'watts-declared');
    const cpu = Number(header('cpu-ms'));
    assert.ok(cpu > 0 && Number(header('compute-ms')) > 0 && Number(header('queue-ms')) >= 0);
    assert.ok(Math.abs(Number(header('joules')) - cpu / 100) < cpu / 1000, '10 W of CPU time');
    assert.ok(Number(header('dollars')) > 0);

    for (const client of [new InferenceClient(serving.url), new GrpcInferenceClient(serving.grpcUrl!)]) {
      const { outputs, cost } = await client.infer('spotter', { mfcc: clip(0.3) });
      near(outputs.scores!.numbers());
      assert.ok((cost?.joules ?? 0) > 0, 'a client is told too');
      if ('close' in client) await client.close();
    }
  });

  test('probes, metadata, metrics, series, dashboard and the OpenAPI document are there', async () => {
    const get = async (path: string) => {
      const response = await fetch(serving.url + path);
      return { status: response.status, text: await response.text() };
    };
    for (const path of ['/v2/health/live', '/v2/health/ready', '/v2/models/spotter/ready', '/openapi.json']) {
      assert.equal((await get(path)).status, 200, path);
    }
    assert.match((await get('/v2/models/spotter')).text, /"FP32"/);
    assert.equal((await get('/v2/models/none')).status, 404);
    const metrics = (await get('/metrics')).text;
    for (const line of [
      /^modicum_ready 1$/m,
      /^modicum_model_ready\{model="spotter",version="1"\} 1$/m,
      /^modicum_requests_total\{model="spotter",version="1",protocol="rest",code="200"\} [1-9]/m,
      /^modicum_joules_total\{.*method="watts-declared"\} 0\.0*[1-9]/m,
      /^modicum_goal_seconds\{.*\} 5$/m,
    ]) {
      assert.match(metrics, line);
    }
    const series = JSON.parse((await get('/v2/modicum/series')).text) as SeriesDocument;
    const model = series.models.find(({ name }) => name === 'spotter');
    assert.ok(model!.total.ok > 0);
    assert.equal(series.server.money?.perHour, 7.2);
    assert.ok([200, 404].includes((await get('/dashboard/')).status), 'built, or it says that it is not');
    assert.match((await get('/dashboard/reports')).text, /spotter/);
  });
});

test('SIGTERM under load: not one request is dropped, and it ends with 0', async (t) => {
  const folder = await temporary(t);
  const serving = await startServing(t, folder, [await writeSpotter(folder), '--grace', '700ms']);
  const client = new InferenceClient(serving.url, { retries: 0 });
  let [answered, leaving] = [0, false];
  const seen: boolean[] = [];
  const worker = async () => {
    // New requests come as long as a load balancer would send them: until it hears that the server is not ready.
    while (!leaving) {
      await client.infer('spotter', { mfcc: clip(0.1) });
      answered++;
    }
  };
  const probe = async () => {
    while (!leaving) {
      await new Promise((done) => setTimeout(done, 20));
      const { status } = await fetch(`${serving.url}/v2/health/ready`);
      seen.push(status === 200);
      leaving = status !== 200;
    }
  };
  const all = Promise.all([probe(), ...Array.from({ length: 8 }, worker)]);
  await new Promise((done) => setTimeout(done, 400));
  serving.signal('SIGTERM');
  await all;
  const ended = await serving.ended;
  assert.equal(ended.code, 0, ended.stderr);
  assert.ok(answered > 0 && seen[0] === true && seen.at(-1) === false);
  assert.doesNotMatch(ended.stderr, /cut off/);
});

test('the second signal ends it at once', async (t) => {
  const folder = await temporary(t);
  const serving = await startServing(t, folder, [await writeSpotter(folder), '--grace', '1h']);
  serving.signal('SIGINT');
  await new Promise((done) => setTimeout(done, 300));
  serving.signal('SIGINT');
  assert.equal((await serving.ended).code, 130);
});

test('keys are made, kept as what proves them, asked for, and metered', async (t) => {
  const folder = await temporary(t);
  const bundle = await writeSpotter(folder);
  const file = join(folder, 'keys.json');
  const made = await modicum(
    ['serve', '--new-key', 'shop', '--keys', file, '--key-limit', 'concurrent=2'],
    folder,
  );
  assert.equal(made.code, 0, made.stderr);
  const key = made.stdout.trim();
  const kept = await readFile(file, 'utf8');
  assert.ok(!kept.includes(key) && !kept.includes(key.split('_').at(-1)!));
  assert.equal((await stat(file)).mode & 0o077, 0, 'for its owner alone');
  assert.equal((await modicum(['serve', '--new-key', 'other', '--keys', file], folder)).code, 0);

  const serving = await startServing(t, folder, [
    bundle,
    '--keys',
    file,
    '--log-requests',
    'all',
    '--log-level',
    'debug',
  ]);
  assert.equal((await fetch(`${serving.url}/v2/health/ready`)).status, 200);
  for (const path of ['/metrics', '/v2/modicum/series', '/v2/models/spotter']) {
    assert.equal((await fetch(serving.url + path)).status, 401, path);
  }
  const { outputs } = await new InferenceClient(serving.url, { key }).infer('spotter', { mfcc: clip(1) });
  assert.equal(outputs.scores?.size, 12);
  await assert.rejects(new InferenceClient(serving.url).infer('spotter', { mfcc: clip(1) }), {
    code: 'KEY_REFUSED',
  });
  const metrics = await (
    await fetch(`${serving.url}/metrics`, { headers: { authorization: `Bearer ${key}` } })
  ).text();
  assert.match(metrics, /^modicum_key_requests_total\{key="shop"\} 1$/m);
  assert.match(metrics, /^modicum_key_cpu_seconds_total\{key="shop"\} 0\.0*[1-9]/m);
  serving.signal('SIGTERM');
  const { stderr, code } = await serving.ended;
  assert.equal(code, 0);
  assert.ok(
    stderr.includes('"keyName":"shop"') && !stderr.includes(key),
    'the log names the key and does not tell it',
  );
  assertFailed(await modicum(['serve', '--new-key', 'x'], folder), 'SERVER_CONFIG_INVALID', /--keys FILE/);
  assertFailed(
    await modicum(['serve', '--new-key', 'x', '--keys', file, '--key-limit', 'speed=1'], folder),
    'SERVER_CONFIG_INVALID',
    /requestsPerSecond/,
  );
});

test('what cannot be served ends with 2 and a message that helps', async (t) => {
  const folder = await temporary(t);
  const bundle = await writeSpotter(folder);
  await mkdir(join(folder, 'empty'));
  await writeFile(join(folder, 'no.onnx'), 'no model');
  const fails = async (args: readonly string[], code: Parameters<typeof assertFailed>[1], about: RegExp) => {
    const quiet = ['--port', '0', '--grpc-port', 'off', '--log-level', 'silent'];
    assertFailed(await modicum(['serve', ...quiet, ...args], folder), code, about);
  };
  await Promise.all([
    fails([], 'SERVER_CONFIG_INVALID', /no model is named/),
    fails(['absent'], 'FILE_NOT_FOUND', /absent/),
    fails(['empty'], 'SERVER_CONFIG_INVALID', /empty holds no model/),
    fails([bundle, '--goal', 'soon'], 'SERVER_CONFIG_INVALID', /--goal is .*it takes a time/),
    fails([bundle, '--host', '0.0.0.0'], 'SERVER_CONFIG_INVALID', /anybody could ask/),
    fails([bundle, '--canary', 'spotter=0.1'], 'SERVER_CONFIG_INVALID', /one version only/),
    fails([bundle, '--keys', 'absent.json'], 'SERVER_CONFIG_INVALID', /absent\.json/),
    fails([bundle, '--tls-cert', 'a.pem', '--tls-key', 'b.pem'], 'SERVER_CONFIG_INVALID', /a\.pem/),
    fails([bundle, '--price', 'abacus.large'], 'PRICE_UNKNOWN', /abacus/),
    fails(['no.onnx'], 'MODEL_NOT_ONNX', /no\.onnx/),
  ]);
  const taken = createServer();
  await new Promise<void>((done) => taken.listen(0, '127.0.0.1', done));
  const { port } = taken.address() as { port: number };
  await fails([bundle, '--port', String(port)], 'SERVER_NOT_STARTED', /EADDRINUSE/);
  taken.close();
});

test('settings are shown with where they come from', async (t) => {
  const folder = await temporary(t);
  await writeFile(join(folder, 'modicum.serve.json'), JSON.stringify({ models: ['m.onnx'], maxBatch: 8 }));
  await writeFile(join(folder, 'modicum.config.json'), JSON.stringify({ price: 3 }));
  const { code, stdout } = await modicum(['serve', '--print-config', '--threads', '2'], folder, {
    MODICUM_SERVE_LOG_LEVEL: 'warn',
  });
  assert.equal(code, 0);
  const { config, origins } = JSON.parse(stdout);
  assert.deepEqual([config.maxBatch, config.threads, config.logLevel, config.price], [8, 2, 'warn', 3]);
  assert.deepEqual(
    [origins.threads, origins.logLevel, origins.price],
    ['flag', 'MODICUM_SERVE_LOG_LEVEL', 'project'],
  );
  assert.equal(config.models[0], join(folder, 'm.onnx'));
});
