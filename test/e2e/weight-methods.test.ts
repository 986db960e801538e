import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Random } from '../../src/base/index.ts';
import { writeNpz } from '../../src/data/index.ts';
import { loadModel, saveModel } from '../../src/files/index.ts';
import { mlp, normals } from '../quantize-nets.ts';
import { makeFolder, modicum, removeFolder } from './cli.ts';

/** Every way to quantize a net of matrices from the command line, and what it leaves in the graph. */
const WAYS: readonly [line: string, op: string, said: RegExp][] = [
  ['--method hqq --block 16', 'MatMulNBits', /nodes in 4 bits/],
  ['--method gptq --data rows.npz --act-order --asymmetric --samples 40', 'MatMulNBits', /nodes in 4 bits/],
  ['--method awq --data rows.npz', 'MatMulNBits', /nodes in 4 bits/],
  ['--method gptq --before scale-awq --data rows.npz', 'MatMulNBits', /scale-awq: \d+ nodes changed/],
  ['--method smooth --data rows.npz', 'QuantizeLinear', /smooth: \d+ nodes changed/],
  [
    '--method dynamic --before smooth --alpha 0.5 --data rows.npz',
    'MatMulInteger',
    /smooth: \d+ nodes changed/,
  ],
  [
    '--method static --before equalize,absorb-bias --no-bias-correction --data rows.npz',
    'QuantizeLinear',
    /equalize: \d+ nodes/,
  ],
];

const REFUSED: readonly [line: string, code: string][] = [
  ['--method gptq', 'CALIBRATION_NEEDED'],
  ['--method dynamic --before smooth', 'CALIBRATION_NEEDED'],
  ['--method gptq --data rows.npz --damping 0', 'USAGE_BAD_OPTION'],
  ['--method hqq --bits 8', 'USAGE_BAD_OPTION'],
  ['--before prune --data rows.npz', 'USAGE_BAD_OPTION'],
];

describe('quantize: methods for matrices', { concurrency: 2 }, () => {
  let folder = '';
  before(async () => {
    folder = await makeFolder();
    await saveModel(mlp(3), join(folder, 'mlp.onnx'));
    await writeNpz(join(folder, 'rows.npz'), { x: normals(new Random(2), [60, 32]) });
  });
  after(() => removeFolder(folder));

  for (const [line, op, said] of WAYS) {
    test(line, async () => {
      const out = join(folder, `${WAYS.findIndex(([other]) => other === line)}.onnx`);
      const { code, stdout, stderr } = await modicum(
        ['quantize', 'mlp.onnx', ...line.split(' '), '--out', out],
        folder,
      );
      assert.equal(code, 0, stderr);
      assert.match(stdout, said);
      const model = await loadModel(out);
      assert.ok(model.graph.nodes.some((node) => node.op === op));
    });
  }

  for (const [line, wanted] of REFUSED) {
    test(`${line}: ${wanted}`, async () => {
      const { code, stderr } = await modicum(
        ['quantize', 'mlp.onnx', ...line.split(' '), '--out', 'no.onnx'],
        folder,
      );
      assert.equal(code, 2);
      assert.match(stderr, new RegExp(`^error ${wanted}: `));
    });
  }
});
