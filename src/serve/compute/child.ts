import { Worker } from 'node:worker_threads';
import { CATALOGUE, ModicumError, messageOf } from '../../base/index.ts';
import type { Session } from '../../run/index.ts';
import { BlockingPipe } from './blocking-pipe.ts';
import { openChildModel } from './child-model.ts';
import { type FromChild, packTensors, type ToChild, unpackTensors } from './messages.ts';

/**
 * The program of a process that computes: it opens one model and answers runs, one after the other, in its main thread. It has nothing
 * else to do, so it blocks while it waits. File descriptor 3 is the pipe of frames; 4 is closed when the parent is gone.
 */

// A terminal, or whoever stops the server, tells the whole group: it is the parent that finishes what is under way, and then ends this.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
// A run that never returns would keep this process alive without its parent: a thread of its own watches for that.
new Worker(new URL('./watchdog.js', import.meta.url), { execArgv: [] }).unref();

/** Milliseconds between two looks at the own memory: the look costs as much as a small run. */
const LOOK_EVERY = 200;
const pipe = new BlockingPipe(3);
let session: Session | undefined;
let cpuBefore = cpuSeconds();
let lookedAt = 0;

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** Nothing here needs an orderly end, and native code that is under way would not allow one. */
function end(): never {
  process.kill(process.pid, 'SIGKILL');
  throw new Error('unreachable');
}

async function answer(request: ToChild, body: Uint8Array): Promise<void> {
  if (request.kind === 'open') {
    session = await openChildModel(request.model);
    const { inputs, outputs, metadata } = session;
    pipe.write({ kind: 'opened', inputs, outputs, metadata: [...metadata] } satisfies FromChild);
    cpuBefore = cpuSeconds();
    return;
  }
  const { id, feeds, outputs } = request;
  if (session === undefined) throw new Error('no model is open in this process');
  const given = unpackTensors(feeds, body);
  const start = performance.now();
  const found = await session.run(given, { outputs });
  const computeMs = performance.now() - start;
  const { notes, pieces } = packTensors(found);
  const now = cpuSeconds();
  const done: FromChild = {
    kind: 'done',
    id,
    fetches: notes,
    computeMs,
    cpuSeconds: now - cpuBefore,
    ...(start - lookedAt > LOOK_EVERY && { rss: process.memoryUsage.rss() }),
  };
  if (done.rss !== undefined) lookedAt = start;
  cpuBefore = now;
  pipe.write(done, pieces);
}

function failed(thrown: unknown, id: number | undefined): FromChild {
  if (!(thrown instanceof ModicumError))
    return { kind: 'failed', id, code: 'INTERNAL', why: messageOf(thrown) };
  const { code } = thrown;
  // The parent puts the words of the catalogue before it again.
  return { kind: 'failed', id, code, why: thrown.message.slice(CATALOGUE[code].what.length + 2) };
}

for (;;) {
  const frame = pipe.read();
  if (frame === undefined) end();
  const request = frame.note as ToChild;
  try {
    await answer(request, frame.body);
  } catch (thrown) {
    try {
      pipe.write(failed(thrown, request.kind === 'run' ? request.id : undefined));
    } catch {
      end();
    }
  }
}
