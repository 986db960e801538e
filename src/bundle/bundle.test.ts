import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { makeGraph, makeModel, makeNode, Tensor, tensorType } from '../graph/index.ts';
import { EXIT_OUTPUT, type Stage, type StagedModel } from '../staged/index.ts';
import { openBundle } from './open-bundle.ts';
import { readBundle } from './read-bundle.ts';
import { defaultRunSettings } from './run-settings.ts';
import { assertBundlePlace, writeBundle } from './write-bundle.ts';

const value = (name: string) => ({ name, type: tensorType('float32', [1]) });
const model = makeModel(
  makeGraph({ inputs: [value('x')], outputs: [value('y')], nodes: [makeNode('Relu', ['x'], ['y'])] }),
);

async function temporary(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'modicum-bundle-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const write = (folder: string, name = 'net', staged?: StagedModel) =>
  writeBundle(folder, {
    staged,
    about: {
      modicum: '0.1.0',
      name,
      chosen: 'clean',
      inputs: [{ name: 'x', dtype: 'float32', shape: [1] }],
      outputs: [{ name: 'y', dtype: 'float32', shape: null }],
      settings: defaultRunSettings(2),
      latencySettings: defaultRunSettings(1),
      goal: { metric: 'top1' },
      met: true,
    },
    models: [{ id: 'clean', model, recipe: [{ pass: 'clean', words: 'clean graph' }] }],
    records: [],
    story: {},
    report: '<!doctype html>',
  });

test('what is written is read back; a second bundle replaces the first', async (t) => {
  const folder = join(await temporary(t), 'bundle');
  const written = await write(folder);
  assert.deepEqual(await readBundle(folder), written);
  await write(folder, 'second');
  assert.equal((await readBundle(folder)).name, 'second');
  assert.deepEqual(await readdir(join(folder, '..')), ['bundle']);
});

test('a bundle that was tampered with is refused, whatever was touched', async (t) => {
  const folder = join(await temporary(t), 'bundle');
  const bundle = await write(folder);
  const refused = (message: RegExp) =>
    assert.rejects(readBundle(folder), { code: 'BUNDLE_INVALID', message });
  const put = (change: object) =>
    writeFile(join(folder, 'bundle.json'), JSON.stringify({ ...bundle, ...change }));
  const clean = bundle.models.clean!;
  await put({ version: 99 });
  await refused(/version/);
  await put({ chosen: 'other' });
  await refused(/other/);
  for (const file of ['../../secret.onnx', '/etc/passwd', 'models/../../x', '..\\x']) {
    await put({ models: { clean: { ...clean, file } } });
    await refused(/leaves the bundle/);
  }
  await put({});
  const path = join(folder, clean.file);
  const bytes = await readFile(path);
  bytes[bytes.length - 1]! ^= 1;
  await writeFile(path, bytes);
  await refused(/sha256/);
  await rm(path);
  await refused(/clean/);
  await writeFile(join(folder, 'bundle.json'), '{');
  await refused(/bundle\.json/);
});

test('a bundle never takes the place of what is no bundle', async (t) => {
  const folder = await temporary(t);
  const refused = (path: string) => assert.rejects(assertBundlePlace(path), { code: 'FILE_NOT_WRITTEN' });
  await writeFile(join(folder, 'file'), 'mine');
  await mkdir(join(folder, 'full'));
  await writeFile(join(folder, 'full/letter'), 'mine');
  await mkdir(join(folder, 'empty'));
  await refused(join(folder, 'file'));
  await refused(join(folder, 'file/below'));
  await refused(join(folder, 'full'));
  await refused(process.cwd());
  await refused('/');
  await assertBundlePlace(join(folder, 'empty'));
  await assertBundlePlace(join(folder, 'new/and/deep'));
  await assert.rejects(write(join(folder, 'full')), { code: 'FILE_NOT_WRITTEN' });
  assert.deepEqual(await readdir(join(folder, 'full')), ['letter']);
});

const pair = (name: string) => ({ name, type: tensorType('float32', ['N', 2]) });
const net = (inputs: string[], nodes: [op: string, from: string, to: string][], outputs: string[]) =>
  makeModel(
    makeGraph({
      inputs: inputs.map(pair),
      outputs: outputs.map(pair),
      nodes: nodes.map(([op, from, to]) => makeNode(op, [from], [to])),
    }),
  );
/** Who is sure by x is answered -x, the others |x|. */
const stages: Stage[] = [
  {
    id: 'stage-1',
    model: net(
      ['x'],
      [
        ['Neg', 'x', 'early'],
        ['Identity', 'x', 'scores'],
        ['Abs', 'x', 'h'],
      ],
      ['early', 'scores', 'h'],
    ),
    answers: { y: 'early' },
    carried: ['h'],
    exit: { scores: 'scores', scale: 'logits', temperature: 1, confidence: 'margin', threshold: 0.5 },
    macs: 0,
  },
  {
    id: 'stage-2',
    model: net(['h'], [['Identity', 'h', 'y']], ['y']),
    answers: { y: 'y' },
    carried: [],
    macs: 0,
  },
];

/** A bundle of the stages, its ports as the stages have them. */
async function writeStaged(folder: string, pieces: Stage[] = stages) {
  const ports = { inputs: [pair('x')], outputs: [pair('y')] };
  const asPorts = (list: typeof ports.inputs) =>
    list.map(({ name }) => ({ name, dtype: 'float32' as const, shape: ['N', 2] }));
  const staged = { stages: pieces, inputs: asPorts(ports.inputs), outputs: asPorts(ports.outputs) };
  return writeBundle(folder, {
    about: {
      modicum: '0.1.0',
      name: 'net',
      chosen: 'one-file',
      inputs: staged.inputs,
      outputs: staged.outputs,
      settings: { ...defaultRunSettings(1), batch: 8 },
      latencySettings: defaultRunSettings(1),
      goal: {},
      met: true,
    },
    models: [{ id: 'one-file', model: net(['x'], [['Abs', 'x', 'y']], ['y']), recipe: [] }],
    staged,
    records: [],
    story: {},
    report: '',
  });
}

test('a bundle with stages opens as stages for batches, as one file for single samples', async (t) => {
  const folder = join(await temporary(t), 'bundle');
  const written = await writeStaged(folder);
  assert.deepEqual(await readBundle(folder), written);
  const x = Tensor.float32([3, 2], [5, -1, 0.1, -0.1, -3, 2]);
  const opened = await openBundle(folder, { override: { threads: 1 } });
  t.after(() => opened.session.dispose());
  assert.equal(opened.as, 'stages');
  assert.equal(opened.settings.batch, 8);
  const answer = await opened.session.run({ x });
  assert.deepEqual(
    [...answer.y!.as('float32')].map((v) => Number(v.toFixed(3))),
    [-5, 1, 0.1, 0.1, 3, -2],
  );
  assert.deepEqual([...answer[EXIT_OUTPUT]!.as('int32')], [0, 1, 0]);
  const single = await openBundle(folder, { settings: 'latency' });
  t.after(() => single.session.dispose());
  assert.equal(single.as, 'one-file');
  assert.deepEqual(
    [...(await single.session.run({ x })).y!.as('float32')].map(Math.sign),
    [1, 1, 1, 1, 1, 1],
  );
});

test('a threshold that nobody reaches survives the file; stages that cannot be are refused', async (t) => {
  const folder = join(await temporary(t), 'bundle');
  const never = { ...stages[0]!.exit!, threshold: Number.POSITIVE_INFINITY };
  const bundle = await writeStaged(folder, [{ ...stages[0]!, exit: never }, stages[1]!]);
  const opened = await openBundle(folder);
  t.after(() => opened.session.dispose());
  const answer = await opened.session.run({ x: Tensor.float32([1, 2], [50, -50]) });
  assert.deepEqual([...answer.y!.as('float32')], [50, 50]);
  const refused = async (
    change: (pieces: NonNullable<typeof bundle.stages>) => object[],
    message: RegExp,
  ) => {
    const changed = { ...bundle, stages: change(structuredClone(bundle.stages!)) };
    await writeFile(join(folder, 'bundle.json'), JSON.stringify(changed));
    await assert.rejects(readBundle(folder), { code: 'BUNDLE_INVALID', message });
  };
  await refused(([first, last]) => [{ ...first!, model: 'gone' }, last!], /"gone"/);
  await refused(([first]) => [first!, first!], /same id/);
  await refused(([first]) => [first!], /has an exit/);
  await refused(([first, last]) => [{ ...first!, answers: {} }, last!], /does not answer output "y"/);
  await refused(
    ([first, last]) => [{ ...first!, exit: { ...first!.exit!, temperature: 0 } }, last!],
    /temperature/,
  );
});
