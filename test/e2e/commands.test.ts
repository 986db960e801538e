import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Random } from '../../src/base/index.ts';
import { COMMANDS } from '../../src/cli/commands/index.ts';
import { loadModel } from '../../src/files/index.ts';
import { openSession } from '../../src/run/index.ts';
import { normals } from '../quantize-nets.ts';
import { makeFolder, modicum, removeFolder, tree } from './cli.ts';
import { writeConvPair } from './samples.ts';

describe('commands', { concurrency: 2 }, () => {
  let folder = '';
  before(async () => {
    folder = await makeFolder();
    await writeConvPair(folder, 60);
  });
  after(() => removeFolder(folder));

  for (const name of Object.keys(COMMANDS)) {
    test(`${name} --help: exit 0, every option in words, examples, no line too long`, async () => {
      const { code, stdout, stderr } = await modicum([name, '--help'], folder);
      assert.equal(code, 0);
      assert.equal(stderr, '');
      assert.match(stdout, new RegExp(`^Usage: modicum ${name} `));
      assert.match(stdout, new RegExp(`\nExamples?:\n {2}modicum ${name}`));
      assert.match(stdout, /--json <file> {2}/);
      for (const line of stdout.split('\n')) assert.ok(line.length <= 120, line);
    });
  }

  test('without a command: the help, and exit 2', async () => {
    const { code, stderr } = await modicum([], folder);
    assert.equal(code, 2);
    for (const name of Object.keys(COMMANDS)) assert.ok(stderr.includes(`  ${name} `), name);
  });

  for (const method of ['static', 'dynamic', 'weights']) {
    test(`quantize ${method}: the table of what fuses, and a model that runs`, async () => {
      const out = join(folder, `${method}.onnx`);
      const data = method === 'static' ? ['--data', 'data.npz'] : [];
      const bits = method === 'weights' ? ['--bits', '8'] : [];
      const line = ['quantize', 'net.onnx', '--method', method, ...data, ...bits, '--out', out];
      const { code, stdout, stderr } = await modicum([...line, '--json', `${method}.json`], folder);
      assert.equal(code, method === 'weights' ? code : 0, stderr);
      if (code !== 0) {
        // The net has one small matrix: there may be nothing for weight-only to do, and that is said.
        assert.match(stderr, /^error NOTHING_TO_QUANTIZE: /);
        assert.ok(!(await tree(folder)).includes('weights.onnx'));
        return;
      }
      assert.match(stdout, /node +operator +fusion +executed as, or why not/);
      assert.match(stdout, /fused/);
      await loadModel(out);
      const session = await openSession(out, { threads: 1 });
      const outputs = await session.run({ x: normals(new Random(1), [2, 3, 16, 16]) });
      await session.dispose();
      assert.deepEqual(Object.values(outputs)[0]?.dims, [2, 10]);
    });
  }

  test('profile --json -: JSON alone on standard output, with every section', async () => {
    const line =
      'profile net.onnx --data data.npz --batch 1,4 --threads 1 --seconds 100ms --no-limits --json -';
    const { code, stdout, stderr } = await modicum(line.split(' '), folder);
    assert.equal(code, 0, stderr);
    const report = JSON.parse(stdout);
    assert.deepEqual(
      report.curve.map((row: { batch: number; threads: number }) => [row.batch, row.threads]),
      [
        [1, 1],
        [4, 1],
      ],
    );
    const whats = new Set(
      [...report.records, ...report.curve[0].records].map(({ what }: { what: string }) => what.split('.')[0]),
    );
    for (const what of ['latency', 'throughput', 'memory', 'energy', 'cost', 'co2'])
      assert.ok(whats.has(what), `${what} among ${[...whats].join(', ')}`);
    assert.ok(report.layers.length > 3);
    assert.ok(report.machine.id.length > 0);
  });

  test('doctor --json FILE: what starts, and why the rest does not', async () => {
    const { code, stdout } = await modicum(['doctor', '--json', 'doctor.json'], folder);
    assert.equal(code, 0);
    assert.match(stdout, /cpu +starts/);
    const { default: json } = await import(join(folder, 'doctor.json'), { with: { type: 'json' } });
    for (const { provider, available, reason } of json.providers)
      assert.ok(available || reason.length > 0, provider);
    assert.ok(json.machine.availableCores >= 1);
  });

  test('eval: the figure with its interval; the table and the JSON agree', async () => {
    const line = 'eval net.onnx --data data.npz --metric top1 --batch 7 --json eval.json --quiet';
    const { code, stdout } = await modicum(line.split(' '), folder);
    assert.equal(code, 0);
    assert.match(stdout, /^top1: 100\.00 %\n {2}95 % interval .+ 60 samples\n$/);
    const { default: json } = await import(join(folder, 'eval.json'), { with: { type: 'json' } });
    assert.equal(json.record.value, 100);
    assert.equal(json.record.n, 60);
  });
});
