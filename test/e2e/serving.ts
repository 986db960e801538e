import assert from 'node:assert/strict';
import { once } from 'node:events';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { readBundle, writeBundle } from '../../src/bundle/index.ts';
import { loadModel } from '../../src/files/index.ts';
import { type Ended, start } from './cli.ts';

const SPOTTER = new URL('../../../examples/keyword-spotter/light.onnx', import.meta.url).pathname;

/** A bundle of the example, made for a p99 of `p99` ms: one input mfcc [N, 1, 49, 10], one output scores [N, 12]. */
export async function writeSpotter(folder: string, p99 = 5000): Promise<string> {
  const path = join(folder, 'spotter');
  const settings = { batch: 1, threads: 1, instances: 1, level: 'all', provider: 'cpu' } as const;
  await writeBundle(path, {
    about: {
      ...{ modicum: '0.1.0', name: 'spotter', chosen: 'light', settings, latencySettings: settings },
      inputs: [{ name: 'mfcc', dtype: 'float32', shape: ['N', 1, 49, 10] }],
      outputs: [{ name: 'scores', dtype: 'float32', shape: ['N', 12] }],
      ...{ goal: { metric: 'top1', p99 }, met: true },
    },
    models: [{ id: 'light', model: await loadModel(SPOTTER), recipe: [] }],
    ...{ records: [], story: {}, report: '<!doctype html><title>of the spotter</title>' },
  });
  await readBundle(path);
  return path;
}

export interface Serving {
  readonly url: string;
  readonly grpcUrl: string | undefined;
  /** What it said when it answered. */
  readonly welcome: string;
  readonly pid: number;
  signal(name: 'SIGTERM' | 'SIGINT'): void;
  readonly ended: Promise<Ended>;
}

/** Starts `modicum serve` on free ports and waits until it answers; it is ended with the test. */
export async function startServing(
  t: Pick<TestContext, 'after'>,
  cwd: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<Serving> {
  const { child, ended } = start(
    ['serve', '--port', '0', '--grpc-port', '0', '--grace', '0s', ...args],
    cwd,
    env,
  );
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  let welcome = '';
  child.stdout?.on('data', (text: string) => {
    welcome += text;
  });
  while (!welcome.includes('Ctrl-C ends it')) {
    const over = await Promise.race([ended, once(child.stdout!, 'data').then(() => undefined)]);
    if (over !== undefined) assert.fail(`it ended: exit ${over.code}\n${over.stdout}\n${over.stderr}`);
  }
  const url = /serves at (\S+)/.exec(welcome)?.[1];
  assert.ok(url, welcome);
  const grpc = /gRPC +(\S+)/.exec(welcome)?.[1];
  return {
    ...{ url, welcome, ended, pid: child.pid! },
    grpcUrl: grpc === undefined ? undefined : `grpc://${grpc}`,
    signal: (name) => child.kill(name),
  };
}
