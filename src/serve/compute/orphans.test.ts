import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { countingModel } from '../../../test/run-models.ts';
import { saveModel } from '../../files/index.ts';

const ENGINE = new URL('./open-engine.js', import.meta.url).href;
const GRAPH = new URL('../../graph/index.js', import.meta.url).href;

/** A server of two processes, one of which computes without end. Prints their pids. */
const SERVER = (model: string) => `
  import { openEngine } from '${ENGINE}';
  import { Tensor } from '${GRAPH}';
  const engine = await openEngine(${JSON.stringify(model)}, { settings: { instances: 2, threads: 1 } });
  engine.run({ n: Tensor.int64([], [2n ** 40n]) });
  process.on('SIGINT', () => {});
  console.log(engine.workers().map(({ pid }) => pid).join(' '));
`;

const alive = (pid: number) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

test('processes that compute leave the end to their server, and end with it, even while they compute', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'modicum-orphans-'));
  const model = join(folder, 'count.onnx');
  await saveModel(countingModel(), model);
  const server = spawn(process.execPath, ['--input-type=module', '-e', SERVER(model)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const [line] = (await once(server.stdout!.setEncoding('utf8'), 'data')) as [string];
    const pids = line.trim().split(' ').map(Number);
    assert.equal(pids.length, 2);
    await new Promise((resolve) => setTimeout(resolve, 200));
    // What Ctrl-C in a terminal sends to all of the group.
    for (const pid of pids) process.kill(pid, 'SIGINT');
    for (const pid of pids) process.kill(pid, 'SIGTERM');
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.ok(pids.every(alive), 'they leave it to the server');
    server.kill('SIGKILL');
    const end = performance.now() + 10_000;
    while (pids.some(alive) && performance.now() < end)
      await new Promise((resolve) => setTimeout(resolve, 10));
    assert.ok(!pids.some(alive), 'they ended with it');
  } finally {
    server.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  }
});
