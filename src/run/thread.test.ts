import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { test } from 'node:test';

/** Runs code in a process of its own, with the rooms at hand. */
function inProcess(code: string): { status: number | null; stdout: string; stderr: string } {
  const prelude = `
    import { openSession } from ${JSON.stringify(new URL('./open-session.js', import.meta.url).href)};
    import { temporaryFolder } from ${JSON.stringify(new URL('./temporary.js', import.meta.url).href)};
    import { Tensor } from ${JSON.stringify(new URL('../graph/index.js', import.meta.url).href)};
    import * as models from ${JSON.stringify(new URL('../../test/run-models.js', import.meta.url).href)};
  `;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '--eval', prelude + code],
    { encoding: 'utf8', timeout: 60_000, env: { ...process.env, NODE_TEST_CONTEXT: undefined } },
  );
  return { status, stdout, stderr };
}

test('open sessions and idle threads do not keep a process alive, and it ends in order', () => {
  const { status, stdout, stderr } = inProcess(`
    const kept = await openSession(models.addModel([1]), { instances: 2, threads: 1 });
    const closed = await openSession(models.addModel([1]), { threads: 1 });
    await kept.run({ x: Tensor.float32([1, 1], [1]) });
    await closed.dispose();
    console.log('done');
  `);
  assert.equal(stderr, '');
  assert.equal(stdout, 'done\n');
  assert.equal(status, 0);
});

test('a process waits for calls under way', () => {
  const { status, stdout } = inProcess(`
    const session = await openSession(models.countingModel(), { threads: 1 });
    session.run(models.countTo(20000)).then(({ count }) => console.log(count.numbers()[0]));
  `);
  assert.equal(stdout, '20000\n');
  assert.equal(status, 0);
});

test('a process may exit while the runtime computes', () => {
  for (const work of [
    'session.run(models.countTo(500000))',
    'session.loop([models.countTo(5000)], { seconds: 60 })',
  ]) {
    const { status, stderr } = inProcess(`
      const session = await openSession(models.countingModel(), { instances: 2, threads: 1 });
      for (let i = 0; i < 2; i++) ${work}.catch(() => {});
      setTimeout(() => process.exit(3), 50);
    `);
    assert.equal(stderr, '');
    assert.equal(status, 3);
  }
});

test('the runtime prints nothing, neither on warnings nor on failures', () => {
  const { status, stdout, stderr } = inProcess(`
    // An unused initializer is worth a warning to the runtime, as is a model that it cannot load.
    const model = models.reshapeModel();
    model.graph.initializers.set('unused', Tensor.float32([1], [1]));
    const session = await openSession(model, { threads: 1 });
    const x = Tensor.float32([1, 4], [1, 2, 3, 4]);
    await session.run({ x, s: Tensor.int64([2], [3, 3]) }).catch((error) => console.log(error.code));
    model.graph.nodes[0].op = 'Frobnicate';
    await openSession(model).catch((error) => console.log(error.code));
  `);
  assert.equal(stdout, 'RUNTIME_FAILED\nRUNTIME_REFUSED\n');
  assert.equal(stderr, '');
  assert.equal(status, 0);
});

test('temporary folders are gone when the process exits in whatever way it chooses itself', () => {
  for (const end of ['process.exit(3)', 'throw new Error("end")', '']) {
    const { stdout } = inProcess(`console.log((await temporaryFolder()).path); ${end}`);
    assert.match(stdout, /modicum-/);
    assert.ok(!existsSync(stdout.trim()), end);
  }
});
