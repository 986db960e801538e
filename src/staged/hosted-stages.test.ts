import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exitFeeds, exitNet } from '../../test/exit-nets.ts';
import { fail } from '../base/index.ts';
import { splitStages } from '../exits/index.ts';
import { type Hosted, openSession, resolveSettings } from '../run/index.ts';
import { HostedStages } from './hosted-stages.ts';
import { openStaged } from './open-staged.ts';
import type { StagedReply } from './staged-program.ts';
import { EXIT_OUTPUT, stagedSession } from './staged-session.ts';

const net = exitNet(4, {
  exits: 2,
  classes: 4,
  confidence: 'max-probability',
  scale: 'logits',
  threshold: 0.4,
});
const staged = splitStages(net.model, net.exits);

test('stages in one thread answer as sessions of their own do, in several instances at once', async (t) => {
  const hosted = await openStaged(staged, { threads: 1, instances: 2 });
  const sessions = await Promise.all(staged.stages.map(({ model }) => openSession(model, { threads: 1 })));
  const apart = stagedSession(
    staged.stages.map((stage, i) => ({ ...stage, session: sessions[i]! })),
    staged,
  );
  t.after(() => Promise.all([hosted.dispose(), apart.dispose()]));
  assert.deepEqual(hosted.outputs, apart.outputs);
  const batches = Array.from({ length: 8 }, (_, i) => exitFeeds(net, 1 + i, i));
  const found = await Promise.all(batches.map((feeds) => hosted.run(feeds)));
  for (const [i, feeds] of batches.entries()) {
    const wanted = await apart.run(feeds);
    for (const name of ['y', 'z', EXIT_OUTPUT]) {
      assert.deepEqual(found[i]![name]!.dims, wanted[name]!.dims);
      assert.ok(Buffer.compare(found[i]![name]!.bytes(), wanted[name]!.bytes()) === 0, name);
    }
  }
  assert.deepEqual(hosted.left, apart.left);
  assert.equal(
    hosted.left.reduce((sum, count) => sum + count, 0),
    36,
  );
  assert.ok(Math.min(...hosted.left) > 0, `${hosted.left}`);
  const [only] = Object.keys(await hosted.run(batches[0]!, { outputs: ['z'] }));
  assert.equal(only, 'z');
});

test('what is wrong is said before it travels; aborting and closing end a call', async () => {
  const hosted = await openStaged(staged, { threads: 1 });
  const feeds = exitFeeds(net, 2);
  await assert.rejects(hosted.run({}), { code: 'FEED_MISMATCH' });
  await assert.rejects(hosted.run(feeds, { outputs: ['gone'] }), { code: 'FEED_MISMATCH' });
  await assert.rejects(hosted.run(feeds, { signal: AbortSignal.abort(new Error('enough')) }), /enough/);
  const stop = new AbortController();
  const late = hosted.run(feeds, { signal: stop.signal });
  stop.abort(new Error('late'));
  await assert.rejects(late, /late/);
  assert.deepEqual((await hosted.run(feeds)).y!.dims, [2, 4]);
  const waiting = hosted.run(feeds);
  const closing = hosted.dispose();
  await assert.rejects(waiting, { code: 'SESSION_CLOSED' });
  await closing;
  await hosted.dispose();
  await assert.rejects(hosted.run(feeds), { code: 'SESSION_CLOSED' });
  const broken = { ...staged, stages: staged.stages.toSpliced(0, 1) };
  await assert.rejects(openStaged(broken, { threads: 1 }), { code: 'STAGES_INVALID', message: /reads/ });
});

test('a thread that crashes is replaced, and what it had answered still counts', async () => {
  let started = 0;
  const start = async (): Promise<Hosted> => {
    const own = ++started;
    let calls = 0;
    return {
      async call(): Promise<StagedReply> {
        if (++calls > 2) throw fail('WORKER_CRASHED', `thread ${own}`);
        return { fetches: {}, left: [calls, 0, 0] };
      },
      async dispose() {},
    };
  };
  const stages = staged.stages.map(({ id, answers, carried, exit }) => ({ id, answers, carried, exit }));
  const session = await HostedStages.over(start, stages, staged, resolveSettings({ threads: 1 }));
  const feeds = exitFeeds(net, 1);
  for (let round = 1; round <= 3; round++) {
    await session.run(feeds);
    await session.run(feeds);
    await assert.rejects(session.run(feeds), {
      code: 'WORKER_CRASHED',
      message: new RegExp(`thread ${round}`),
    });
    assert.deepEqual(session.left, [2 * round, 0, 0]);
  }
  await session.dispose();
});
