import assert from 'node:assert/strict';
import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ModicumError } from '../../base/index.ts';
import { makeGraph, makeModel } from '../../graph/index.ts';
import { Journal } from './journal.ts';
import { fromText, lineOf, readLines, toText } from './journal-text.ts';

async function place(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'modicum-journal-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return join(folder, 'net.partial');
}

const request = { model: 'abc', seed: 0, goal: { metric: 'top1', maxDrop: 1 } };
const never = () => Promise.reject(new Error('it is done again'));

test('values keep their bits: doubles, what JSON has no number for, and what is not there', () => {
  const value = {
    rows: Float64Array.of(0.1, -0, Number.NaN),
    high: Number.POSITIVE_INFINITY,
    text: 'é\n',
    none: undefined,
  };
  const back = fromText(toText(value)) as typeof value;
  assert.deepEqual(back, { rows: value.rows, high: value.high, text: value.text });
  assert.ok(Object.is(back.rows[1], -0));
});

test('lines are read up to the first that is cut or changed', () => {
  const lines = [1, { a: 2 }, 'three'].map(lineOf);
  const whole = Buffer.from(lines.join(''));
  assert.deepEqual(readLines(whole), { values: [1, { a: 2 }, 'three'], length: whole.length });
  const torn = readLines(whole.subarray(0, whole.length - 1));
  assert.deepEqual(torn.values, [1, { a: 2 }]);
  const changed = Buffer.from(lines.join('').replace('"a":2', '"a":3'));
  assert.deepEqual(readLines(changed), { values: [1], length: lines[0]!.length });
});

test('steps that are done are not done again, in this run or the next; the clock goes on', async (t) => {
  const folder = await place(t);
  const first = await Journal.open(folder, request, 60, false);
  assert.equal(await first.step('a', async () => 1), 1);
  assert.equal(await first.step('a', never), 1);
  const before = first.seconds;
  assert.ok(before > 0);
  await assert.rejects(first.step('b', never), /done again/);
  await first.close();

  const second = await Journal.open(folder, request, 90, true);
  assert.equal(second.budget, 60);
  assert.deepEqual([second.size, second.left, second.seconds], [1, 1, 0]);
  assert.equal(await second.step('a', never), 1);
  assert.deepEqual([second.left, second.seconds], [0, before]);
  assert.equal(await second.step('b', async () => 'two'), 'two');
  assert.ok(second.seconds > before);
  await second.close();
  assert.equal((await Journal.open(folder, request, 60, true)).size, 2);
});

test('a torn tail is cut off, and what follows is whole again', async (t) => {
  const folder = await place(t);
  const first = await Journal.open(folder, request, 60, false);
  await first.step('a', async () => 1);
  await first.close();
  await appendFile(join(folder, 'journal.jsonl'), lineOf({ step: 'b', value: 2, at: 1 }).slice(0, -4));
  const second = await Journal.open(folder, request, 60, true);
  assert.equal(second.size, 1);
  assert.equal(await second.step('b', async () => 3), 3);
  await second.close();
  const third = await Journal.open(folder, request, 60, true);
  assert.equal(await third.step('b', never), 3);
  await third.close();
});

test('another request is refused and named; without resume all begins anew; nonsense is no journal', async (t) => {
  const folder = await place(t);
  const first = await Journal.open(folder, request, 60, true);
  await first.step('a', async () => 1);
  await first.close();
  await assert.rejects(
    Journal.open(folder, { ...request, seed: 1 }, 60, true),
    (thrown) =>
      thrown instanceof ModicumError &&
      thrown.code === 'OPTIMIZE_JOURNAL_INVALID' &&
      /another seed/.test(thrown.message),
  );
  const anew = await Journal.open(folder, { ...request, seed: 1 }, 60, false);
  assert.equal(anew.size, 0);
  await anew.step('a', async () => 2);
  await anew.close();
  await writeFile(join(folder, 'journal.jsonl'), 'nonsense\n');
  const mended = await Journal.open(folder, request, 60, true);
  assert.equal(mended.size, 0);
  await mended.remove();
  await assert.rejects(readFile(join(folder, 'journal.jsonl')));
});

test('models are kept by key until the search is done', async (t) => {
  const folder = await place(t);
  const model = makeModel(makeGraph({ name: 'g', inputs: [], outputs: [], nodes: [] }));
  const journal = await Journal.open(folder, request, 60, false);
  await journal.keepModel('[["clean",{}]]', model);
  assert.equal((await journal.keptModel('[["clean",{}]]'))?.graph.name, 'g');
  assert.equal(await journal.keptModel('other'), undefined);
  assert.equal((await readdir(join(folder, 'models'))).length, 1);
  await journal.close();
  const memory = Journal.inMemory(5);
  await memory.keepModel('x', model);
  assert.equal(await memory.keptModel('x'), undefined);
  assert.equal(await memory.step('a', async () => 4), 4);
  assert.equal(await memory.step('a', never), 4);
});

test('a search that did no step leaves no folder', async (t) => {
  const folder = await place(t);
  const journal = await Journal.open(folder, request, 60, false);
  await assert.rejects(journal.step('a', never), /done again/);
  await journal.close();
  await assert.rejects(readdir(folder), { code: 'ENOENT' });
});
