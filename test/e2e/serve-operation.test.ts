import assert from 'node:assert/strict';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { get } from 'node:https';
import { join } from 'node:path';
import { test } from 'node:test';
import { InferenceClient } from '../../src/client/index.ts';
import { Tensor } from '../../src/graph/index.ts';
import { childrenOf, NO_PROC } from '../process-tree.ts';
import { Authority, CAN_SIGN } from '../serve/certificates.ts';
import { modelFolder } from '../serve/model-folder.ts';
import { temporary } from './cli.ts';
import { startServing, writeSpotter } from './serving.ts';

test('compute processes are killed under load: every request is answered right, and it heals', {
  skip: NO_PROC && `skipped: ${NO_PROC}`,
}, async (t) => {
  const models = await modelFolder();
  t.after(() => models.remove());
  await models.put('add', '1', 5);
  const serving = await startServing(t, models.path, ['add=add', '--instances', '2', '--threads', '1']);
  const [killed, answered] = [new Set<number>(), { right: 0 }];
  // No second try by the client: that is the server's work.
  const client = new InferenceClient(serving.url, { retries: 0 });
  const ask = async (seed: number) => {
    for (let i = 0; killed.size < 4 || i < 50; i++) {
      const x = seed * 1000 + i;
      const { outputs } = await client.infer('add', { x: Tensor.float32([1, 1], [x]) });
      assert.equal(outputs.y!.numbers()[0], x + 5);
      answered.right++;
    }
  };
  const kill = async () => {
    while (killed.size < 4) {
      await new Promise((done) => setTimeout(done, 150));
      const [pid] = (await childrenOf(serving.pid)).filter((one) => !killed.has(one));
      if (pid === undefined) continue;
      killed.add(pid);
      process.kill(pid, 'SIGKILL');
    }
  };
  await Promise.all([kill(), ...[1, 2, 3, 4, 5, 6].map(ask)]);
  assert.ok(answered.right >= 300);
  const metrics = async () => (await fetch(`${serving.url}/metrics`)).text();
  // One that is killed while it opens is no death of a worker: it is opened once more.
  assert.match(await metrics(), /^modicum_worker_restarts_total\{model="add"\} [1-4]$/m);
  serving.signal('SIGTERM');
  const { stderr, code } = await serving.ended;
  assert.equal(code, 0, stderr);
  // Whatever it says besides the word that it leaves is structured.
  const lines = stderr.split('\n').filter((line) => line.startsWith('{'));
  const events = lines.map((line) => JSON.parse(line));
  for (const event of events) {
    assert.ok(
      !Number.isNaN(Date.parse(event.time)) && event.level && event.msg && event.service === 'modicum',
    );
  }
  assert.ok(events.filter(({ kind }) => kind === 'worker-died').length >= 1);
  assert.deepEqual(
    events.filter(({ kind }) => kind === 'model-loaded').map(({ model, version }) => [model, version]),
    [['add', '1']],
  );
});

test('a new version put beside the old one takes over under load, without a failed request', async (t) => {
  const models = await modelFolder();
  t.after(() => models.remove());
  await models.put('add', '1', 1);
  const serving = await startServing(t, models.path, ['add', '--threads', '1']);
  const client = new InferenceClient(serving.url, { retries: 0 });
  const seen: string[] = [];
  const ask = async () => {
    const { outputs, modelVersion: version } = await client.infer('add', { x: Tensor.float32([1, 1], [0]) });
    assert.equal(outputs.y!.numbers()[0], Number(version), 'who answers is who it says');
    seen.push(version!);
  };
  const load = async () => {
    const end = performance.now() + 60_000;
    while (seen.at(-1) !== '2' && performance.now() < end) await ask();
  };
  await ask();
  await Promise.all([load(), load(), models.put('add', '2', 2)]);
  assert.equal(seen.at(-1), '2');
  assert.equal(seen[0], '1');
  assert.equal((await fetch(`${serving.url}/v2/models/add/versions/1`)).status, 404, 'the old one has gone');
});

test('settings of a file, of variables and of the line meet in a server, which may be asked by some pages', async (t) => {
  const folder = await temporary(t);
  await writeSpotter(folder);
  await mkdir(join(folder, 'etc'));
  const settings = {
    models: ['kws=../spotter'],
    goal: '3s',
    origins: ['https://good.example'],
    management: true,
  };
  await writeFile(join(folder, 'etc', 'serve.json'), JSON.stringify(settings));
  const serving = await startServing(t, folder, ['--config', 'etc/serve.json', '--goal', 'kws=2s'], {
    MODICUM_SERVE_DASHBOARD: 'false',
    MODICUM_SERVE_LOG_LEVEL: 'warn',
  });
  assert.match(serving.welcome, /kws +1 .* 2000 ms/);
  assert.equal((await fetch(`${serving.url}/dashboard/`)).status, 404);
  for (const path of ['/startupz', '/readyz', '/livez', '/v2/health/ready']) {
    const answer = await fetch(serving.url + path, { headers: { origin: 'https://good.example' } });
    assert.deepEqual(
      [answer.status, answer.headers.get('access-control-allow-origin')],
      [200, 'https://good.example'],
    );
  }
  const repository = `${serving.url}/v2/repository/models/kws`;
  const post = async (path: string) => (await fetch(path, { method: 'POST' })).status;
  assert.equal(await post(`${repository}/unload`), 200);
  assert.equal((await fetch(`${serving.url}/v2/models/kws/ready`)).status, 503);
  assert.equal((await fetch(`${serving.url}/startupz`)).status, 200, 'once started, started');
  assert.equal(await post(`${repository}/load`), 200);
  assert.equal((await fetch(`${serving.url}/v2/models/kws/ready`)).status, 200);
});

const noCertificates = CAN_SIGN ? false : 'skipped: no openssl command to make certificates with';

test('with certificates it may listen to all the world: only who shows one is answered', {
  skip: noCertificates,
}, async (t) => {
  const folder = await temporary(t);
  const bundle = await writeSpotter(folder);
  const authority = new Authority();
  const [server, client] = [authority.sign('server'), authority.sign('client')];
  await copyFile(authority.ca, join(folder, 'ca.pem'));
  const serving = await startServing(t, folder, [
    ...[bundle, '--tls-cert', server.cert, '--tls-key', server.key, '--tls-client-ca', 'ca.pem'],
  ]);
  assert.match(serving.url, /^https:/);
  const ca = await readFile(authority.ca);
  const status = (mine: object) =>
    new Promise((resolve, reject) => {
      get(`${serving.url}/v2/models/spotter`, { ca, agent: false, ...mine }, (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      }).on('error', reject);
    });
  assert.equal(await status({ cert: await readFile(client.cert), key: await readFile(client.key) }), 200);
  await assert.rejects(status({}));
});
