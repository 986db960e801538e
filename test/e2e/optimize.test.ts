import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bundle, bundleSchema, readBundle } from '../../src/bundle/index.ts';
import { openDataset, split, writeNpz } from '../../src/data/index.ts';
import { Tensor } from '../../src/graph/index.ts';

import { ALIKE_WITHIN } from '../../src/measure/index.ts';
import type { Story } from '../../src/report/index.ts';
import { openSession } from '../../src/run/index.ts';
import { type Ended, makeFolder, modicum, removeFolder, start, tree } from './cli.ts';
import { writeConvPair } from './samples.ts';

const GOAL = '--metric top1 --max-drop 5'.split(' ');

/** One bundle, looked at from all sides; then what happens to it when later runs replace it, stop or die. */
describe('optimize', () => {
  let folder = '';
  let first: Ended;
  let bundle: Bundle;
  let story: Story;
  const at = (name: string) => join(folder, name);
  const parsed = async (name: string) => JSON.parse(await readFile(at(name), 'utf8'));

  before(async () => {
    folder = await makeFolder();
    await writeConvPair(folder, 400);
    const line = ['optimize', 'net.onnx', '--data', 'data.npz', ...GOAL, '--budget', '6s', '--out', 'bundle'];
    first = await modicum([...line, '--json', 'result.json'], folder);
    assert.equal(first.code, 0, first.stderr);
    bundle = bundleSchema.parse(await parsed('bundle/bundle.json'));
    story = await parsed('bundle/story.json');
  });
  after(() => removeFolder(folder));

  test('away from a terminal: no bars, no colours, a table that fits, and where things lie', () => {
    assert.equal(first.stderr, '');
    assert.doesNotMatch(first.stdout, /[█░\u001b]/);
    assert.match(first.stdout, /◆ as given/);
    assert.match(first.stdout, /bundle bundle\n report bundle\/report\.html\n$/);
    const table = first.stdout.split('\n').filter((line) => /[◆▶●○✗]/.test(line));
    for (const line of table) assert.ok(line.length <= 100, `${line.length} columns: ${line}`);
  });

  test('the bundle is whole: models run, records and story are there, the report needs nothing else', async () => {
    await readBundle(at('bundle'));
    const files = (await tree(at('bundle'))).filter((name) => name !== 'models');
    const models = Object.values(bundle.models).map(({ file }) => file);
    assert.deepEqual(files, ['bundle.json', ...models, 'records.json', 'report.html', 'story.json'].sort());
    assert.ok(bundle.chosen in bundle.models);
    for (const { file, bytes } of Object.values(bundle.models)) {
      assert.equal((await readFile(at(`bundle/${file}`))).length, bytes);
      const session = await openSession(at(`bundle/${file}`), { threads: 1 });
      const [port] = session.inputs;
      const x = Tensor.float32([2, 3, 16, 16], new Float32Array(2 * 768).fill(0.5));
      const { [bundle.outputs[0]!.name]: y } = await session.run({ [port!.name]: x });
      assert.deepEqual(y?.dims, [2, 10]);
      await session.dispose();
    }
    const html = await readFile(at('bundle/report.html'), 'utf8');
    for (const foreign of [/<script/i, /<link/i, /\bsrc=/i, /@import/i, /url\((?!#)/i])
      assert.ok(!foreign.test(html));
    for (const leak of [/\bNaN\b/, /undefined/, /Infinity/]) assert.ok(!leak.test(html), String(leak));
    const records = await parsed('bundle/records.json');
    assert.ok(records.length > 10);
    for (const { what, value, unit, how, machine, n } of records) {
      assert.ok(
        [what, unit, how, machine].every((text) => typeof text === 'string'),
        what,
      );
      assert.ok(Number.isFinite(value) && n > 0, `${what} ${value}`);
    }
  });

  test('the model as given is in the bundle, and its story names the file it came from', async () => {
    const sha256 = createHash('sha256')
      .update(await readFile(at('net.onnx')))
      .digest('hex');
    assert.equal(story.model.sha256, sha256);
    assert.ok('as-given' in bundle.models);
    assert.equal(story.variants.filter(({ status }) => status === 'baseline').length, 1);
    assert.equal(story.data.calibration + story.data.search + story.data.heldOut, 400);
    const result = await parsed('result.json');
    assert.deepEqual(result.story, story);
    assert.deepEqual(result.bundle, bundle);
  });

  test('what is chosen is surely no slower and surely within the drop, by its own records', () => {
    const chosen = story.variants.find(({ id }) => id === story.chosen);
    assert.ok(chosen);
    assert.equal(bundle.met, chosen.status === 'chosen');
    if (!bundle.met) return;
    const { speedup, heldOutDrop, latencyRatio } = chosen.figures;
    assert.ok(speedup?.low !== undefined && speedup.low > 1);
    assert.ok(latencyRatio?.low !== undefined, 'a single call was timed');
    assert.ok(latencyRatio.low <= 1 + ALIKE_WITHIN, `${latencyRatio.low} times as long`);
    assert.ok(heldOutDrop?.high !== undefined && heldOutDrop.value <= 5);
  });

  test('eval of the chosen model on the held-out samples gives what the record says', async () => {
    const data = await openDataset(at('data.npz'));
    const { heldOut } = (await split(data, { seed: 0 })).indices;
    const x = new Float32Array(heldOut.length * 768);
    const labels: number[] = [];
    for await (const batch of data.read({ batch: 1, indices: heldOut })) {
      x.set(batch.feeds.x!.as('float32'), labels.length * 768);
      labels.push(Number(batch.labels!.as('int64')[0]));
    }
    await writeNpz(at('held-out.npz'), {
      x: Tensor.float32([labels.length, 3, 16, 16], x),
      labels: Tensor.int64([labels.length], labels),
    });
    const model = `bundle/${bundle.models[bundle.chosen]!.file}`;
    const line = ['eval', model, '--data', 'held-out.npz', '--metric', 'top1', '--json', '-'];
    const ended = await modicum(line, folder);
    assert.equal(ended.code, 0, ended.stderr);
    const { record } = JSON.parse(ended.stdout);
    const chosen = story.variants.find(({ id }) => id === story.chosen);
    assert.equal(record.n, heldOut.length);
    assert.ok(Math.abs(record.value - chosen!.figures.heldOutAccuracy!.value) < 1e-9);
  });

  test('a goal that nothing meets: exit 1, the nearest ones named, no bundle', async () => {
    const line = ['optimize', 'net.onnx', '--data', 'data.npz', ...GOAL, '--budget', '2s', '--out', 'none'];
    const ended = await modicum([...line, '--max-size', '1kB', '--quiet'], folder);
    assert.equal(ended.code, 1, ended.stderr);
    assert.match(
      ended.stderr,
      /\nerror GOAL_NOT_MET: Nothing meets the goal: .*1000 bytes.*\n {2}what to do: .+\n$/,
    );
    assert.match(ended.stderr, /◆ as given/);
    assert.ok(!(await tree(folder)).some((name) => /^none|\.part/.test(name)));
  });

  test('Ctrl-C in the middle: exit 130, one word about it, the old bundle as it was', async () => {
    const before = await treeWithoutPartial();
    const { child, ended } = start(longLine(), folder);
    // On a busy machine it takes seconds until the program listens for signals.
    await sleep(6000);
    child.kill('SIGINT');
    const { code, stdout, stderr } = await ended;
    assert.equal(code, 130, stderr);
    assert.equal(stdout, '');
    assert.match(stderr, /^\nStopping.+\nerror CANCELLED: Stopped on request: .+\n {2}what to do: .+\n$/);
    assert.deepEqual(await treeWithoutPartial(), before);
    await readBundle(at('bundle'));
  });

  test('killed in the middle: the old bundle is whole', async () => {
    const before = await treeWithoutPartial();
    const { child, ended } = start(longLine(), folder);
    await sleep(2500);
    child.kill('SIGKILL');
    assert.equal((await ended).code, 'SIGKILL');
    assert.deepEqual(await treeWithoutPartial(), before);
    await readBundle(at('bundle'));
  });

  test('the config gives data by name and the goal; a second run replaces the bundle', async () => {
    await mkdir(at('data'));
    await writeFile(
      at('modicum.config.ts'),
      `interface Named { path: string }
const net: Named = { path: 'data.npz' };
export default { datasets: { net }, goal: { metric: 'top1', maxDrop: 7 }, price: 3.5 };
`,
    );
    const ended = await modicum(
      ['optimize', 'net.onnx', '--data', 'net', '--budget', '1s', '--out', 'bundle', '--json', '-'],
      folder,
    );
    assert.equal(ended.code, 0, ended.stderr);
    const { story: second } = JSON.parse(ended.stdout) as { story: Story };
    assert.equal(second.goal.maxDrop, 7);
    assert.equal(second.metric.name, 'top1');
    assert.ok(second.machine.some(([name, value]) => name === 'dollars' && value.includes('$3.5')));
    assert.ok(second.skipped.length > 0, 'a second is too short for all, and that is said');
    const now = await readBundle(at('bundle'));
    assert.notEqual(now.created, bundle.created);
    assert.ok(
      !(await tree(folder)).some((name) => /\.part|\.old/.test(name)),
      'nothing of stopped searches is left',
    );
  });

  /** What a stopped search has done lies beside the bundle, for --resume: see optimize-resume.long.test.ts. */
  async function treeWithoutPartial(): Promise<string[]> {
    return (await tree(folder)).filter((name) => !name.startsWith('bundle.partial'));
  }

  function longLine(): string[] {
    return ['optimize', 'net.onnx', '--data', 'data.npz', ...GOAL, '--budget', '60s', '--out', 'bundle'];
  }
});
