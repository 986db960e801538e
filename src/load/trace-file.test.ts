import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { VirtualClock } from '../../test/load/virtual-clock.ts';
import type { OpenPlan } from './plan.ts';
import { runPlan } from './run-plan.ts';
import { readTrace, writeTrace } from './trace-file.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'modicum-trace-'));
});
after(() => rm(folder, { recursive: true }));

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

test('a run that was written out is repeated to the last bit', async () => {
  const plan: OpenPlan = {
    kind: 'open',
    arrivals: { kind: 'bursty', rate: 200, burst: 4, onSeconds: 0.2, offSeconds: 1 },
    seed: 5,
    seconds: 3,
    minQueries: 0,
    warmUpSeconds: 0,
    timeoutMs: 1000,
    maxOutstanding: 100,
  };
  const run = (which: OpenPlan) => {
    const clock = new VirtualClock();
    return clock.run(runPlan({ samples: 50, answer: () => clock.at(clock.now() + 1) }, which, clock));
  };
  const first = await run(plan);
  const path = join(folder, 'run.csv');
  await writeTrace(path, first.recording);
  const second = await run({ ...plan, seed: 99, arrivals: { kind: 'trace', ...(await readTrace(path)) } });
  assert.ok(first.recording.scheduled.length > 100);
  for (const column of ['scheduled', 'sample', 'size', 'sent', 'done'] as const) {
    assert.deepEqual(second.recording[column], first.recording[column], column);
  }
});

test('times are read from several columns and forms, in any order', async () => {
  const times = async (name: string, text: string) => [...(await readTrace(await file(name, text))).times];
  assert.deepEqual(await times('a.csv', 'at_s,size\n0.5,1\n0.25,2\n'), [250, 500]);
  assert.deepEqual(
    await times('b.csv', 'timestamp\n2024-01-01T00:00:01Z\n2024-01-01T00:00:00Z\n'),
    [0, 1000],
  );
  assert.deepEqual(await times('c.jsonl', '{"time_ms": 70}\n\n{"time_ms": 100}\n'), [0, 30]);
  assert.deepEqual(await times('d.jsonl', '{"time": 1700000000.5}\n{"time": 1700000001}\n'), [0, 500]);
  const { sizes } = await readTrace(await file('e.csv', 'at_s,size\n0.5,1\n0.25,2\n'));
  assert.deepEqual([...sizes!], [2, 1]);
});

test('what is no trace is refused, with its row', async () => {
  const refused = async (name: string, text: string, code: string, message: RegExp) =>
    assert.rejects(readTrace(await file(name, text)), { code, message });
  await refused('f.csv', 'at_s\n1\nx\n', 'DATA_DAMAGED', /row 2 .*"x"/);
  await refused('g.csv', 'when\n1\n', 'DATA_DAMAGED', /no column of times/);
  await refused('h.csv', 'at_s\n', 'DATA_EMPTY', /no arrivals/);
  await refused('i.csv', 'at_s,size\n1,0\n', 'DATA_DAMAGED', /size "0"/);
  await refused('j.csv', 'at_s\n-1\n', 'DATA_DAMAGED', /no time/);
  await refused('k.jsonl', '{"at_s": 1}\n[1]\n', 'DATA_DAMAGED', /line 2/);
  await refused('l.jsonl', '{"at_s": 1', 'DATA_DAMAGED', /line 1/);
  await refused('m.txt', '1\n', 'DATA_FORMAT_UNKNOWN', /csv/);
  await refused('n.csv', 'at_s\n"1\n', 'DATA_DAMAGED', /n\.csv/);
  await assert.rejects(readTrace(join(folder, 'absent.csv')), { code: 'FILE_NOT_FOUND' });
  await assert.rejects(readTrace(folder), { code: 'FILE_UNREADABLE' });
});
