import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { loadServerFile, namedPath } from './file.ts';
import { resolveConfig, type Sources } from './resolve.ts';
import { flagOf, SETTING_NAMES, SETTINGS, variableOf } from './settings.ts';

const invalid = (sources: Sources, about: RegExp) =>
  assert.throws(
    () => resolveConfig(sources),
    (error: Error & { code?: string }) => {
      assert.equal(error.code, 'SERVER_CONFIG_INVALID');
      assert.match(error.message, about);
      return true;
    },
  );

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'modicum-config-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

test('options beat variables, variables the file, the file the project, the project the defaults', () => {
  const sources: Sources = {
    flags: { port: '1001' },
    env: { MODICUM_SERVE_PORT: '1002', MODICUM_SERVE_HOST: '::1', MODICUM_SERVE_THREADS: '' },
    file: { path: 'f.json', values: { port: 1003, host: '127.0.0.2', threads: 3, price: 2 } },
    project: { price: 9, region: 'at' },
  };
  const { config, origins } = resolveConfig(sources);
  assert.deepEqual(
    [config.port, config.host, config.threads, config.price, config.region, config.grpcPort],
    [1001, '::1', 3, 2, 'at', 8081],
  );
  assert.deepEqual(
    [origins.port, origins.host, origins.threads, origins.region, origins.grpcPort],
    ['flag', 'MODICUM_SERVE_HOST', 'f.json', 'project', 'default'],
  );
  assert.equal(config.instances, undefined, 'what nobody says is for the bundle to say');
});

test('values are read as people write them', () => {
  const { config } = resolveConfig({
    flags: {
      goal: ['20ms', 'digits=1.5s'],
      canary: ['digits=0.1'],
      bodyBytes: '1.5MiB',
      cacheBytes: 'off',
      grpcPort: 'off',
      open: true,
      grace: '0s',
      price: '0.25',
      state: ['vad:state=stateN', 'vad:a:0=b', 'tts:h=hn'],
    },
    env: {
      MODICUM_SERVE_MODELS: 'a.onnx, b=c',
      MODICUM_SERVE_DASHBOARD: 'false',
      MODICUM_SERVE_DRAIN: '2m',
      MODICUM_SERVE_HELD_BYTES: '1GB',
    },
    file: { path: 'f.json', values: { management: true, maxQueueBytes: 4096 } },
  });
  assert.deepEqual(config.goal, { '': 20, digits: 1500 });
  assert.deepEqual(config.canary, { digits: 0.1 });
  assert.deepEqual(config.state, { vad: { state: 'stateN', 'a:0': 'b' }, tts: { h: 'hn' } });
  assert.deepEqual(config.models, ['a.onnx', 'b=c']);
  assert.deepEqual(
    [config.bodyBytes, config.cacheBytes, config.grpcPort, config.grace, config.drain, config.heldBytes],
    [1.5 * 2 ** 20, 'off', 'off', 0, 120_000, 1e9],
  );
  assert.deepEqual(
    [config.open, config.dashboard, config.management, config.price, config.maxQueueBytes],
    [true, false, true, 0.25, 4096],
  );
  const fromFile = resolveConfig({
    file: { path: 'f', values: { goal: { '': 10, digits: '5ms' }, price: 'c7i.large' } },
  });
  assert.deepEqual(fromFile.config.goal, { '': 10, digits: 5 });
  assert.equal(fromFile.config.price, 'c7i.large');
});

test('what is wrong is told by where it was said, what it is, and what it takes', () => {
  invalid({ flags: { port: 'http' } }, /--port is "http"; it takes a whole number from 0 to 65535/);
  invalid({ flags: { port: '' } }, /--port is ""/);
  invalid(
    { env: { MODICUM_SERVE_THREADS: '1.5' } },
    /MODICUM_SERVE_THREADS is "1\.5"; it takes a whole number/,
  );
  invalid(
    { file: { path: 'f.json', values: { isolation: 'vm' } } },
    /isolation in f\.json is "vm"; it takes one of process, thread/,
  );
  invalid({ flags: { goal: ['soon'] } }, /--goal is \["soon"\]; it takes a time such as 20ms.*NAME=VALUE/);
  invalid({ flags: { goal: ['0ms'] } }, /more than 0/);
  invalid({ flags: { canary: ['a=2'] } }, /from 0 to 1/);
  invalid({ flags: { state: ['h=hn'] } }, /--state is \["h=hn"\]; it takes MODEL:INPUT=OUTPUT/);
  invalid({ flags: { price: '-1' } }, /--price is "-1"/);
  invalid({ flags: { bodyBytes: '12 parsecs' } }, /a size such as 64MiB/);
  invalid({ flags: { dashboard: 'perhaps' } }, /true or false/);
  invalid({ flags: { models: [1] } }, /PATH or NAME=PATH/);
  invalid({ flags: { host: 'x'.repeat(500), port: 'x'.repeat(500) } }, /^.{0,250}$/);
});

test('what is misspelt is not silent, and the nearest name is told', () => {
  invalid(
    { env: { MODICUM_SERVE_PROT: '1' } },
    /no variable MODICUM_SERVE_PROT; did you mean MODICUM_SERVE_PORT\?/,
  );
  invalid({ env: { MODICUM_SERVE_SERVICE_HOST: '10.0.0.1' } }, /no variable MODICUM_SERVE_SERVICE_HOST$/);
  invalid(
    { file: { path: 'f.json', values: { maxbatch: 3 } } },
    /f\.json: there is no setting "maxbatch"; did you mean maxBatch\?/,
  );
  invalid({ flags: { nonsense: 1 } }, /no setting "nonsense"$/);
});

test('what does not go together is refused', () => {
  invalid({ flags: { tlsCert: 'a.pem' } }, /--tls-cert and --tls-key go together/);
  invalid({ flags: { tlsClientCa: 'a.pem' } }, /--tls-client-ca needs/);
  invalid({ flags: { port: 9000, grpcPort: 9000 } }, /cannot both have port 9000/);
  assert.equal(resolveConfig({ flags: { port: 0, grpcPort: 0 } }).config.port, 0);
});

test('every setting has a name of its own in flags and variables, and a default that it would take', () => {
  assert.equal(new Set(SETTING_NAMES.map(flagOf)).size, SETTING_NAMES.length);
  assert.deepEqual(
    [flagOf('tlsClientCa'), variableOf('tlsClientCa')],
    ['--tls-client-ca', 'MODICUM_SERVE_TLS_CLIENT_CA'],
  );
  for (const name of SETTING_NAMES) {
    const { kind, fallback } = SETTINGS[name] as {
      kind: (typeof SETTINGS)['port']['kind'];
      fallback?: unknown;
    };
    if (fallback !== undefined) assert.deepEqual(kind.schema.parse(fallback), fallback, name);
  }
});

test('files are found, may be modules, and their paths are relative to them', async (t) => {
  const here = await folder(t);
  assert.equal(await loadServerFile(undefined, here), undefined);
  await writeFile(
    join(here, 'modicum.serve.ts'),
    "const threads: number = 2;\nexport default { threads, models: ['m.onnx', 'a=b', '/c'], keys: 'keys.json' };\n",
  );
  const file = await loadServerFile(undefined, here);
  const { config } = resolveConfig({ file });
  assert.deepEqual(config.models, [join(here, 'm.onnx'), `a=${join(here, 'b')}`, '/c']);
  assert.deepEqual([config.threads, config.keys], [2, join(here, 'keys.json')]);
  for (const [name, text] of [
    ['broken.json', '{"port": '],
    ['list.json', '[1]'],
    ['throws.mjs', 'throw new Error("no");'],
  ] as const) {
    await writeFile(join(here, name), text);
    await assert.rejects(loadServerFile(join(here, name)), { code: 'SERVER_CONFIG_INVALID' });
  }
  await assert.rejects(loadServerFile(join(here, 'absent.json')), { code: 'SERVER_CONFIG_INVALID' });
});

test('a name before "=" is a name, a path with "=" in it is a path', () => {
  assert.deepEqual(namedPath('a=b/c'), { name: 'a', path: 'b/c' });
  assert.deepEqual(namedPath('b/c=d'), { path: 'b/c=d' });
  assert.deepEqual(namedPath('b'), { path: 'b' });
});
