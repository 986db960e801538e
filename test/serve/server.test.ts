import assert from 'node:assert/strict';
import { mkdir, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { GrpcInferenceClient, InferenceClient } from '../../src/client/index.ts';
import { saveModel } from '../../src/files/index.ts';
import { Tensor } from '../../src/graph/index.ts';
import { type RunningServer, type ServeOptions, serve } from '../../src/serve/index.ts';
import { sumModel } from '../run-models.ts';
import { type ModelFolder, modelFolder } from './model-folder.ts';

const QUIET = {
  port: 0,
  grpcPort: 0,
  grace: 0,
  isolation: 'thread',
  threads: 1,
  logLevel: 'silent',
} as const;
/** Nothing of the place where the tests run. */
const sources = { config: false, env: {} } as const;
const x = (...values: number[]) => ({ x: Tensor.float32([1, values.length], values) });

describe('a server of a program, all its parts together', () => {
  let folder: ModelFolder;
  let server: RunningServer;
  let clients: { rest: InferenceClient; grpc: GrpcInferenceClient };
  before(async () => {
    folder = await modelFolder();
    await folder.put('add', '1', 1);
    for (const [name, declared] of [
      ['sum', new Map()],
      ['declared', new Map([['modicum.state', '{"sum":"total"}']])],
    ] as const) {
      await mkdir(join(folder.path, name, '1'), { recursive: true });
      await saveModel(sumModel(declared), join(folder.path, name, '1', 'model.onnx'));
    }
    server = await serve(
      {
        ...QUIET,
        ...{ models: [folder.path], state: 'sum:sum=total', cacheBytes: '1MiB', management: true },
        canary: { add: 0.5 },
      },
      sources,
    );
    clients = {
      rest: new InferenceClient(server.address),
      grpc: new GrpcInferenceClient(`grpc://${server.grpcAddress}`),
    };
  });
  after(async () => {
    await clients.grpc.close();
    await server.close();
    await folder.remove();
  });

  for (const name of ['sum', 'declared']) {
    test(`${name}: a stream goes on over both protocols, and its state is no input of the model`, async () => {
      const { rest, grpc } = clients;
      const { inputs, outputs } = await rest.modelMetadata(name);
      assert.deepEqual(
        [inputs, outputs].map((ports) => ports.map((port) => port.name)),
        [['x'], ['y']],
      );
      const add = async (client: InferenceClient | GrpcInferenceClient, value: number, start = false) => {
        const answer = await client.infer(name, x(value, 0), { sequence: { id: 's', start } });
        return -answer.outputs.y!.numbers()[0]!;
      };
      assert.equal(await add(rest, 1, true), 1);
      assert.equal(await add(grpc, 2), 3);
      assert.equal(await add(rest, 4), 7);
      // It outlives the version that has answered so far.
      await fetch(`${server.address}/v2/repository/models/${name}/load`, { method: 'POST' });
      assert.equal(await add(grpc, 8), 15);
      await assert.rejects(rest.infer(name, x(1, 0)), { code: 'REQUEST_INVALID' });
    });
  }

  test('what was answered before is answered from what is kept, and that is said and counted', async () => {
    const ask = async (value: number) => {
      const { outputs, cost } = await clients.rest.infer('add', x(value));
      return [outputs.y!.numbers()[0], cost.cached === true, (cost.cpuMs ?? 0) > 0];
    };
    assert.deepEqual(await ask(40), [41, false, true]);
    assert.deepEqual(await ask(41), [42, false, true]);
    assert.deepEqual(await ask(40), [41, true, false]);
    const metrics = await (await fetch(`${server.address}/metrics`)).text();
    assert.match(metrics, /^modicum_cache_hits_total\{model="add",version="1"\} 1$/m);
    // Not what another content of the same name and version has said.
    await folder.put('add', '1', 2);
    await fetch(`${server.address}/v2/repository/models/add/load`, { method: 'POST' });
    assert.deepEqual(await ask(40), [42, false, true]);
  });

  test('the newest version is the canary, also one that comes later', async () => {
    await folder.put('add', '2', 1000);
    const load = () => fetch(`${server.address}/v2/repository/models/add/load`, { method: 'POST' });
    assert.equal((await load()).status, 200);
    const seen = new Map<string, number>();
    for (let i = 0; i < 60; i++) {
      const { modelVersion } = await clients.rest.infer('add', x(i));
      seen.set(modelVersion!, (seen.get(modelVersion!) ?? 0) + 1);
    }
    assert.ok(seen.get('1')! > 10 && seen.get('2')! > 10, JSON.stringify([...seen]));
    await rm(join(folder.path, 'add', '2'), { recursive: true });
    assert.equal((await load()).status, 200);
    assert.equal((await clients.rest.infer('add', x(1))).modelVersion, '1');
  });
});

test('while its models are still loading, probes are answered: it lives, and is not ready', async () => {
  const folder = await modelFolder();
  await folder.put('add', '1', 1);
  const port = await freePort();
  // In a process of its own: that takes long enough to be seen.
  const options = { ...QUIET, isolation: 'process', grpcPort: 'off', port } as const;
  const starting = serve({ ...options, models: [folder.path] }, sources);
  try {
    const statuses = async () => {
      const paths = ['/livez', '/readyz', '/startupz', '/v2/models/add/ready'];
      const all = paths.map(async (path) => (await fetch(`http://127.0.0.1:${port}${path}`)).status);
      return Promise.all(all).catch(() => undefined);
    };
    let first: number[] | undefined;
    while (first === undefined) first = await statuses();
    assert.deepEqual(first, [200, 503, 503, 503]);
    await starting;
    assert.deepEqual(await statuses(), [200, 200, 200, 200]);
  } finally {
    await (await starting).close();
    await folder.remove();
  }
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

test('what does not fit a model, or names none, is no server', async () => {
  const folder = await modelFolder();
  try {
    await folder.put('add', '1', 1);
    const refused = async (options: ServeOptions, about: RegExp) => {
      const end = await serve({ ...QUIET, models: [folder.path], ...options }, sources).catch(
        (error) => error,
      );
      if ('close' in end) await end.close();
      assert.equal(end.code, 'SERVER_CONFIG_INVALID');
      assert.match(end.message, about);
    };
    await refused({ state: 'add:x=q' }, /no such input or output/);
    await refused({ state: 'sub:x=y' }, /no model "sub"/);
    await refused({ canary: { sub: 0.1 } }, /no model "sub"; there are add/);
    await refused({ canary: 0.1 } as unknown as ServeOptions, /NAME=VALUE/);
    await refused(
      { canary: { alone: 0.1 }, models: [`alone=${folder.path}/add/1/model.onnx`] },
      /one version only/,
    );
  } finally {
    await folder.remove();
  }
});
