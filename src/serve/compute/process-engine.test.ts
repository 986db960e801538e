import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { addModel, countingModel, countTo, identityModel } from '../../../test/run-models.ts';
import type { ModicumError } from '../../base/index.ts';
import { saveModel } from '../../files/index.ts';
import { Tensor } from '../../graph/index.ts';
import { type EngineOptions, openEngine } from './open-engine.ts';
import type { ProcessEngine } from './process-engine.ts';

let folder = '';
const file = (name: string) => join(folder, `${name}.onnx`);

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'modicum-engine-'));
  await saveModel(addModel([1, 2, 3]), file('add'));
  await saveModel(countingModel(), file('count'));
  await saveModel(identityModel('string', ['n']), file('strings'));
});
after(() => rm(folder, { recursive: true, force: true }));

const open = async (path: string, options: EngineOptions = {}) =>
  (await openEngine(path, options)) as ProcessEngine;
const ones = (rows: number, fill = 1) => ({
  x: Tensor.float32([rows, 3], new Float32Array(rows * 3).fill(fill)),
});
const two = { settings: { instances: 2, threads: 1 } } as const;

const code = (wanted: string) => (thrown: unknown) => (thrown as ModicumError).code === wanted;
const gone = (pid: number) => !existsSync(`/proc/${pid}`) || isZombie(pid);
const isZombie = (pid: number) => {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
};
async function until(what: string, is: () => boolean, ms = 20_000): Promise<void> {
  const end = performance.now() + ms;
  while (!is()) {
    if (performance.now() > end) assert.fail(`waited too long until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test('answers come from another process, with what they have cost, and say what the model says of itself', async () => {
  const engine = await open(file('add'), two);
  try {
    assert.deepEqual(engine.inputs, [{ name: 'x', dtype: 'float32', shape: ['n', 3] }]);
    assert.equal(engine.metadata.get('author'), 'a test');
    assert.equal(engine.lanes, 2);
    const pids = engine.workers().map(({ pid }) => pid);
    assert.equal(new Set([...pids, process.pid]).size, 3);
    const { fetches, computeMs, cpuSeconds, retried } = await engine.run(ones(2));
    assert.deepEqual(fetches.y!.numbers(), [2, 3, 4, 2, 3, 4]);
    assert.deepEqual(fetches.z!.numbers(), [-1, -1, -1, -1, -1, -1]);
    assert.ok(computeMs > 0 && cpuSeconds > 0);
    assert.equal(retried, undefined);
    const some = await engine.run(ones(1), { outputs: ['z'] });
    assert.deepEqual(Object.keys(some.fetches), ['z']);
    // Larger than any pipe holds, and not a multiple of eight.
    const large = await engine.run(ones(300_001, 5));
    assert.equal(large.fetches.y!.numbers().at(-1), 8);
  } finally {
    await engine.dispose();
  }
});

test('strings travel, and an empty tensor', async () => {
  const engine = await open(file('strings'), { settings: { threads: 1 } });
  try {
    const texts = ['a', '', 'ünï "c"\n', '漢字'];
    const { fetches } = await engine.run({ x: Tensor.ofStrings([4], texts) });
    assert.deepEqual(fetches.y!.strings(), texts);
    const none = await engine.run({ x: Tensor.ofStrings([0], []) });
    assert.deepEqual(none.fetches.y!.dims, [0]);
  } finally {
    await engine.dispose();
  }
});

test('what does not fit is refused here, what the runtime refuses is said, and the process goes on', async () => {
  const engine = await open(file('count'), { settings: { threads: 1 } });
  try {
    await assert.rejects(engine.run({}), code('FEED_MISMATCH'));
    await assert.rejects(engine.run(countTo(1), { outputs: ['none'] }), code('FEED_MISMATCH'));
    const { fetches } = await engine.run(countTo(7));
    assert.deepEqual(fetches.count!.numbers(), [7]);
  } finally {
    await engine.dispose();
  }
  await assert.rejects(engine.run(countTo(1)), code('SESSION_CLOSED'));
});

test('a model that cannot be opened is refused, with the words of the reader, and no process stays', async () => {
  await assert.rejects(open(file('absent')), code('FILE_NOT_FOUND'));
  await assert.rejects(open(new URL(import.meta.url).pathname), (thrown: ModicumError) =>
    /^MODEL_|RUNTIME_REFUSED/.test(thrown.code),
  );
  await assert.rejects(open(file('add'), { depth: 0 }), code('SERVER_CONFIG_INVALID'));
});

test('kill -9 of processes under load: no error, every answer right, and some were computed again', async () => {
  const events: string[] = [];
  const engine = await open(file('count'), { ...two, onEvent: (kind) => events.push(kind) });
  try {
    let killed = 0;
    let again = 0;
    let answered = 0;
    // A run is computed twice at most: whoever was hit is let through before the next is.
    const kill = () => {
      const busy = engine.workers().find(({ state, inFlight }) => state === 'ready' && inFlight > 0);
      if (busy?.pid === undefined || answered < (killed + 1) * 40) return;
      process.kill(busy.pid, 'SIGKILL');
      killed++;
    };
    const client = async (seed: number) => {
      for (let i = 0; i < 30; i++) {
        const n = 500 + ((seed * 7919 + i * 104_729) % 3000);
        const { fetches, retried } = await engine.run(countTo(n));
        assert.deepEqual(fetches.count!.numbers(), [n]);
        answered++;
        if (retried) again++;
        kill();
      }
    };
    await Promise.all(Array.from({ length: 8 }, (_, seed) => client(seed)));
    assert.ok(killed > 3 && again >= killed - 1, `${killed} killed, ${again} computed again`);
    assert.ok(events.filter((kind) => kind === 'worker-died').length >= killed - 1);
  } finally {
    await engine.dispose();
  }
});

test('a process that dies while it is idle is started again', async () => {
  const engine = await open(file('add'), { settings: { threads: 1 } });
  try {
    const before = engine.workers()[0]!.pid!;
    process.kill(before, 'SIGKILL');
    await until('another one is there', () => {
      const [worker] = engine.workers();
      return worker!.state === 'ready' && worker!.pid !== before;
    });
    assert.deepEqual((await engine.run(ones(1))).fetches.y!.numbers(), [2, 3, 4]);
  } finally {
    await engine.dispose();
  }
});

test('a run that hangs is ended and tried once more, then refused; what waits behind it is answered', async () => {
  const engine = await open(file('count'), { settings: { threads: 1 }, hungMs: 700, backoffMs: 1 });
  try {
    const hung = assert.rejects(engine.run(countTo(2 ** 40)), (thrown: ModicumError) => {
      assert.equal(thrown.code, 'WORKER_CRASHED');
      assert.match(thrown.message, /longer than 700 ms/);
      return true;
    });
    const behind = engine.run(countTo(3));
    await hung;
    assert.deepEqual((await behind).fetches.count!.numbers(), [3]);
  } finally {
    await engine.dispose();
  }
});

test('an instance that dies again and again is given up, says so at once, and is tried again later', async () => {
  const events: string[] = [];
  const path = file('lost');
  await saveModel(addModel([1, 2, 3]), path);
  const engine = await open(path, {
    settings: { threads: 1 },
    mostCrashes: 3,
    backoffMs: 1,
    probationMs: 300,
    onEvent: (kind) => events.push(kind),
  });
  try {
    await rm(path);
    process.kill(engine.workers()[0]!.pid!, 'SIGKILL');
    await until('it is given up', () => engine.workers()[0]!.state === 'given-up');
    await assert.rejects(engine.run(ones(1)), code('WORKER_CRASHED'));
    assert.ok(events.includes('worker-given-up'));
    await saveModel(addModel([1, 2, 3]), path);
    await until('it is back', () => engine.workers()[0]!.state === 'ready');
    assert.deepEqual((await engine.run(ones(1))).fetches.y!.numbers(), [2, 3, 4]);
  } finally {
    await engine.dispose();
  }
});

test('an instance is not given up while another shows that the model can be run', async () => {
  const events: string[] = [];
  const path = file('lost');
  await saveModel(addModel([1, 2, 3]), path);
  const engine = await open(path, {
    ...two,
    ...{ mostCrashes: 3, backoffMs: 1, probationMs: 600_000 },
    onEvent: (kind) => events.push(kind),
  });
  let over = false;
  const load = async () => {
    while (!over) assert.deepEqual((await engine.run(ones(1))).fetches.y!.numbers(), [2, 3, 4]);
  };
  const loads = Promise.all([load(), load()]);
  try {
    await rm(path);
    const { pid } = engine.workers()[1]!;
    process.kill(pid!, 'SIGKILL');
    await until('it has been tried often', () => engine.workers()[1]!.restarts > 4);
    await saveModel(addModel([1, 2, 3]), path);
    await until('it is back', () => engine.workers()[1]!.state === 'ready');
    assert.ok(!events.includes('worker-given-up'));
  } finally {
    over = true;
    await loads;
    await engine.dispose();
  }
});

test('recycling replaces processes under load without an error, and the old ones end', async () => {
  const engine = await open(file('add'), { ...two, recycle: { runs: 40 } });
  try {
    const first = engine.workers().map(({ pid }) => pid!);
    const client = async (seed: number) => {
      for (let i = 0; engine.workers().some(({ recycled }) => recycled < 2); i++) {
        const { fetches } = await engine.run(ones(2, seed + i));
        assert.equal(fetches.y!.numbers()[0], seed + i + 1);
      }
    };
    await Promise.all(Array.from({ length: 6 }, (_, seed) => client(seed)));
    await until('the first are gone', () => first.every(gone));
    assert.ok(engine.workers().every(({ restarts }) => restarts === 0));
  } finally {
    await engine.dispose();
  }
});

test('a signal drops a run that was not sent; one that was sent is answered', async () => {
  const engine = await open(file('count'), { settings: { threads: 1 }, depth: 1 });
  try {
    const stop = new AbortController();
    const sent = engine.run(countTo(20_000), { signal: stop.signal });
    const waiting = engine.run(countTo(1), { signal: stop.signal });
    assert.equal(engine.queued, 1);
    stop.abort(new Error('gone'));
    await assert.rejects(waiting, /gone/);
    assert.deepEqual((await sent).fetches.count!.numbers(), [20_000]);
    await assert.rejects(engine.run(countTo(1), { signal: stop.signal }), /gone/);
  } finally {
    await engine.dispose();
  }
});

test('disposing ends the processes, and refuses what is under way', async () => {
  const engine = await open(file('count'), two);
  const pids = engine.workers().map(({ pid }) => pid!);
  const waiting = Promise.all(
    Array.from({ length: 6 }, () => assert.rejects(engine.run(countTo(2 ** 40)), code('SESSION_CLOSED'))),
  );
  await engine.dispose();
  await waiting;
  assert.ok(pids.every(gone));
  await engine.dispose();
});

test('threads of the own process answer alike', async () => {
  const engine = await openEngine(file('add'), { isolation: 'thread', ...two });
  try {
    assert.equal(engine.lanes, 2);
    const { fetches, computeMs } = await engine.run(ones(1));
    assert.deepEqual(fetches.y!.numbers(), [2, 3, 4]);
    assert.ok(computeMs > 0);
  } finally {
    await engine.dispose();
  }
});
