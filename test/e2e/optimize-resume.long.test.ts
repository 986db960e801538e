import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { readBundle } from '../../src/bundle/index.ts';
import type { Story } from '../../src/report/index.ts';
import { modicum, start, temporary, tree } from './cli.ts';
import { writeConvPair } from './samples.ts';

/** The steps of a journal, in order; a line that is being written is none. */
async function stepsOf(folder: string): Promise<{ line: string; step: string }[]> {
  const text = await readFile(join(folder, 'bundle.partial/journal.jsonl'), 'utf8').catch(() => '');
  const lines = text.split('\n').slice(1, -1);
  return lines.map((line) => ({ line, step: String(JSON.parse(line.slice(9)).step) }));
}

const races = (steps: readonly { step: string }[]) =>
  steps
    .filter(({ step }) => /^race of .* for 0\.5 s/.test(step))
    .map(({ step }) => /^race of (.*) at \{/.exec(step)![1]);

test('killed twice, the search goes on where it was, decides as it did, and cleans up in the end', async (t) => {
  const folder = await temporary(t);
  await writeConvPair(folder, 400);
  const line = 'optimize net.onnx --data data.npz --metric top1 --max-drop 5 --budget 25s --out bundle'.split(
    ' ',
  );
  const killedAfter = async (count: number, more: string[]) => {
    const { child, ended } = start([...line, ...more], folder);
    const running = () => child.exitCode === null && child.signalCode === null;
    while (running() && races(await stepsOf(folder)).length < count) await sleep(50);
    assert.ok(running(), 'it ended before it could be killed');
    child.kill('SIGKILL');
    assert.equal((await ended).code, 'SIGKILL');
    return stepsOf(folder);
  };
  const first = await killedAfter(2, []);
  const second = await killedAfter(4, ['--resume']);
  assert.deepEqual(second.slice(0, first.length), first, 'what was done stands as it was');
  assert.equal(new Set(second.map(({ step }) => step)).size, second.length, 'nothing was done twice');
  assert.ok((await tree(folder)).some((name) => /bundle\.partial\/models\/.+\.onnx/.test(name)));

  const changed = await modicum([...line, '--resume', '--seed', '7'], folder);
  assert.equal(changed.code, 2);
  assert.match(changed.stderr, /OPTIMIZE_JOURNAL_INVALID.*another seed/);

  const ended = await modicum([...line, '--resume', '--explain', '--json', 'r.json'], folder);
  assert.equal(ended.code, 0, ended.stderr);
  assert.match(ended.stdout, /▶ clean-up of the graph, taken|✗ clean-up of the graph, refused/);
  assert.match(ended.stdout, /· pruning, not tried\n +it learns, and no training data is given/);
  await readBundle(join(folder, 'bundle'));
  assert.ok(!(await tree(folder)).some((name) => name.includes('.partial')));
  const { story } = JSON.parse(await readFile(join(folder, 'r.json'), 'utf8')) as { story: Story };
  const glimpsed = story.looks!.filter(({ rung }) => rung === 0).map(({ what }) => what);
  assert.deepEqual(glimpsed.slice(0, 4), races(second).slice(0, 4), 'read back, the decisions are the same');
  assert.ok(story.decisions!.every(({ why }) => why.length > 0));
});
