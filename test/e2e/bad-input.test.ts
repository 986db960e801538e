import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFile, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { ErrorCode } from '../../src/base/index.ts';
import { Random } from '../../src/base/index.ts';
import { writeNpz } from '../../src/data/index.ts';
import { saveModel } from '../../src/files/index.ts';
import { Tensor } from '../../src/graph/index.ts';
import { convNet, normals } from '../quantize-nets.ts';
import { assertFailed, makeFolder, modicum, removeFolder, temporary, tree } from './cli.ts';
import { oneNode, type Pair, writeConvPair } from './samples.ts';

/** A command line that must fail: its words, the code it ends with, and what its message must speak of. */
type Case = readonly [name: string, line: string, code: ErrorCode, about: RegExp];

const CASES: readonly Case[] = [
  // Models.
  ['a model that is not there', 'profile none.onnx', 'FILE_NOT_FOUND', /none\.onnx/],
  ['a folder for a model', 'profile .', 'FILE_UNREADABLE', /\./],
  ['a zero-byte model', 'profile empty.onnx', 'MODEL_EMPTY', /empty\.onnx/],
  ['a zero-byte model, eval', 'eval empty.onnx --data data.npz --metric top1', 'MODEL_EMPTY', /empty/],
  ['a truncated model', 'profile cut.onnx', 'MODEL_TRUNCATED', /cut\.onnx/],
  [
    'a truncated model, optimize',
    'optimize cut.onnx --data data.npz --metric top1',
    'MODEL_TRUNCATED',
    /cut/,
  ],
  ['a truncated model, quantize', 'quantize cut.onnx --method dynamic', 'MODEL_TRUNCATED', /cut/],
  ['text for a model', 'profile words.onnx', 'MODEL_NOT_ONNX', /words\.onnx/],
  ['text for a model, eval', 'eval words.onnx --data data.npz --metric top1', 'MODEL_NOT_ONNX', /words/],
  ['data for a model', 'optimize data.npz --data data.npz --metric top1', 'MODEL_NOT_ONNX', /data\.npz/],
  ['an unknown operator', 'profile unknown-op.onnx', 'RUNTIME_REFUSED', /Frobnicate/],
  [
    'an operator of an unknown domain',
    'eval domain.onnx --data rows.npz --against net.onnx --metric cosine',
    'RUNTIME_REFUSED',
    /made\.up/,
  ],
  [
    'an unknown operator, optimize',
    'optimize unknown-op.onnx --data rows.npz --metric cosine',
    'RUNTIME_REFUSED',
    /Frobnicate/,
  ],
  ['an unknown opset', 'profile opset.onnx', 'RUNTIME_REFUSED', /999|opset/i],
  ['external weights that are missing', 'profile lost.onnx', 'EXTERNAL_MISSING', /lost/],
  [
    'external weights that are missing, eval',
    'eval lost.onnx --data rows.npz --metric top1',
    'EXTERNAL_MISSING',
    /lost/,
  ],
  ['weights above the folder', 'profile climbs.onnx', 'EXTERNAL_ESCAPES', /\.\./],
  [
    'weights above the folder, eval',
    'eval climbs.onnx --data mlp.npz --metric top1',
    'EXTERNAL_ESCAPES',
    /\.\./,
  ],
  ['weights behind a link', 'quantize linked.onnx --method dynamic', 'EXTERNAL_ESCAPES', /linked/],
  // Data.
  ['data that is not there', 'eval net.onnx --data none.npz --metric top1', 'FILE_NOT_FOUND', /none\.npz/],
  [
    'data of no known kind',
    'eval net.onnx --data words.onnx --metric top1',
    'DATA_FORMAT_UNKNOWN',
    /words\.onnx/,
  ],
  ['damaged data', 'eval net.onnx --data cut.npz --metric top1', 'DATA_DAMAGED', /cut\.npz/],
  [
    'data of other names',
    'eval net.onnx --data names.npz --metric top1',
    'DATA_NAMES_MISMATCH',
    /x.*image|image.*x/s,
  ],
  [
    'data of other names, optimize',
    'optimize net.onnx --data names.npz --metric top1',
    'DATA_NAMES_MISMATCH',
    /image/,
  ],
  ['data of another shape', 'eval net.onnx --data shape.npz --metric top1', 'DATA_SHAPE_MISMATCH', /8/],
  [
    'data of another shape, optimize',
    'optimize net.onnx --data shape.npz --metric top1',
    'DATA_SHAPE_MISMATCH',
    /8/,
  ],
  [
    'data of another dtype',
    'eval net.onnx --data dtype.npz --metric top1',
    'DATA_DTYPE_MISMATCH',
    /float64|int64/,
  ],
  ['NaN in the data', 'eval net.onnx --data nan.npz --metric top1', 'DATA_NOT_FINITE', /NaN|sample/],
  [
    'NaN in the data, optimize',
    'optimize net.onnx --data nan.npz --metric top1',
    'DATA_NOT_FINITE',
    /NaN|sample/,
  ],
  ['NaN in the data, quantize', 'quantize net.onnx --data nan.npz', 'DATA_NOT_FINITE', /NaN|sample/],
  ['no labels', 'eval net.onnx --data bare.npz --metric top1', 'DATA_NO_LABELS', /top1/],
  ['no labels, optimize', 'optimize net.onnx --data bare.npz --metric top1', 'DATA_NO_LABELS', /top1/],
  ['two samples', 'optimize net.onnx --data two.npz --metric top1', 'DATA_TOO_FEW', /2/],
  [
    'a metric that does not fit',
    'eval net.onnx --data data.npz --metric top1 --output nope',
    'METRIC_UNFIT',
    /nope/,
  ],
  [
    'a fidelity without a reference',
    'eval net.onnx --data bare.npz --metric cosine',
    'METRIC_UNFIT',
    /cosine/,
  ],
  // Options.
  ['an unknown command', 'optimise net.onnx', 'USAGE_BAD_OPTION', /optimise/],
  ['an unknown option', 'profile net.onnx --bach 3', 'USAGE_BAD_OPTION', /--bach/],
  ['no model', 'profile', 'USAGE_BAD_OPTION', /model/],
  ['no data', 'eval net.onnx --metric top1', 'USAGE_BAD_OPTION', /--data/],
  ['no metric', 'eval net.onnx --data data.npz', 'USAGE_BAD_OPTION', /--metric/],
  ['no metric, optimize', 'optimize net.onnx --data data.npz', 'USAGE_BAD_OPTION', /--metric/],
  ['no data, quantize', 'quantize net.onnx', 'CALIBRATION_NEEDED', /--data/],
  ['an option without its value', 'profile net.onnx --batch', 'USAGE_BAD_OPTION', /--batch/],
  ['too many words', 'profile net.onnx other.onnx', 'USAGE_BAD_OPTION', /argument/],
  ['an unknown metric', 'eval net.onnx --data data.npz --metric top2', 'METRIC_UNKNOWN', /top2/],
  [
    'an unknown metric, optimize',
    'optimize net.onnx --data data.npz --metric constructor',
    'METRIC_UNKNOWN',
    /constructor/,
  ],
  [
    'a drop in words',
    'optimize net.onnx --data data.npz --metric top1 --max-drop one',
    'USAGE_BAD_OPTION',
    /max-drop.*one/,
  ],
  [
    'a drop below nothing',
    'optimize net.onnx --data data.npz --metric top1 --max-drop=-1',
    'USAGE_BAD_OPTION',
    /max-drop.*-1/,
  ],
  [
    'a time in words',
    'optimize net.onnx --data data.npz --metric top1 --budget soon',
    'USAGE_BAD_OPTION',
    /budget.*soon/,
  ],
  [
    'a bound in words',
    'optimize net.onnx --data data.npz --metric top1 --p99 fast',
    'USAGE_BAD_OPTION',
    /p99.*fast/,
  ],
  [
    'a bound of nothing',
    'optimize net.onnx --data data.npz --metric top1 --max-size 0',
    'USAGE_BAD_OPTION',
    /max-size/,
  ],
  [
    'an unknown objective',
    'optimize net.onnx --data data.npz --metric top1 --minimize beauty',
    'USAGE_BAD_OPTION',
    /beauty/,
  ],
  [
    'an unknown machine',
    'optimize net.onnx --data data.npz --metric top1 --price abacus',
    'PRICE_UNKNOWN',
    /abacus/,
  ],
  ['a batch of none', 'profile net.onnx --batch 0', 'USAGE_BAD_OPTION', /batch.*0/],
  [
    'half a batch',
    'eval net.onnx --data data.npz --metric top1 --batch 1.5',
    'USAGE_BAD_OPTION',
    /batch.*1\.5/,
  ],
  [
    'half a core',
    'optimize net.onnx --data data.npz --metric top1 --cores 1.5',
    'USAGE_BAD_OPTION',
    /cores.*1\.5/,
  ],
  ['an unknown region', 'profile net.onnx --region atlantis', 'PRICE_UNKNOWN', /atlantis/],
  ['an unknown method', 'quantize net.onnx --method magic', 'USAGE_BAD_OPTION', /magic/],
  [
    'the name of an object for a method',
    'quantize net.onnx --method toString',
    'USAGE_BAD_OPTION',
    /toString/,
  ],
  [
    'an unknown calibrator',
    'quantize net.onnx --data data.npz --calibrator best',
    'USAGE_BAD_OPTION',
    /best/,
  ],
  ['an unknown block size', 'quantize net.onnx --method weights --block 48', 'USAGE_BAD_OPTION', /block.*48/],
  [
    'a broken pattern',
    'quantize net.onnx --method dynamic --exclude-pattern (',
    'USAGE_BAD_OPTION',
    /exclude-pattern/,
  ],
  [
    'a node that is not there',
    'quantize net.onnx --method dynamic --exclude nobody',
    'USAGE_BAD_OPTION',
    /nobody/,
  ],
  [
    'an operator that is not there',
    'quantize net.onnx --method dynamic --exclude-ops Gem',
    'USAGE_BAD_OPTION',
    /Gem/,
  ],
  [
    'data options that are no JSON',
    'eval net.onnx --data data.npz --metric top1 --data-options {',
    'USAGE_BAD_OPTION',
    /data-options/,
  ],
  [
    'data options of no meaning',
    'eval net.onnx --data data.npz --metric top1 --data-options {"colour":1}',
    'USAGE_BAD_OPTION',
    /colour/,
  ],
  // Places.
  [
    'a bundle over a file',
    'optimize net.onnx --data data.npz --metric top1 --out words.onnx',
    'FILE_NOT_WRITTEN',
    /is a file/,
  ],
  [
    'a bundle under a file',
    'optimize net.onnx --data data.npz --metric top1 --out words.onnx/b',
    'FILE_NOT_WRITTEN',
    /words/,
  ],
  [
    'a bundle over this folder',
    'optimize net.onnx --data data.npz --metric top1 --out .',
    'FILE_NOT_WRITTEN',
    /folder you are in/,
  ],
  [
    'a bundle over a folder of others',
    'optimize net.onnx --data data.npz --metric top1 --out mine',
    'FILE_NOT_WRITTEN',
    /diary/,
  ],
  [
    'a quantized model under a file',
    'quantize net.onnx --method dynamic --out words.onnx/q.onnx',
    'FILE_NOT_WRITTEN',
    /words/,
  ],
  [
    'a quantized model over its source',
    'quantize net.onnx --method dynamic --out ./net.onnx',
    'USAGE_BAD_OPTION',
    /itself/,
  ],
  ['JSON under a file', 'doctor --json words.onnx/a.json', 'FILE_NOT_WRITTEN', /a\.json/],
];

/** How many command lines run at once. */
const AT_ONCE = 4;

describe('bad input', { concurrency: AT_ONCE }, () => {
  let folder = '';
  let files: string[] = [];

  before(async () => {
    folder = await makeFolder();
    await writeAll(folder);
    files = await tree(folder);
  });
  after(() => removeFolder(folder));

  for (const [name, line, code, about] of CASES) {
    test(`${name}: ${code}`, async () => {
      assertFailed(await modicum(line.split(' '), folder), code, about);
      assert.deepEqual(await tree(folder), files, 'no file is written');
    });
  }

  test('a full disk: nothing half-written', async (t) => {
    const disk = join(await temporary(t), 'disk');
    await mkdir(disk);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'tmpfs', disk], { stdio: 'ignore' });
    } catch {
      return t.skip('mounting a small disk is not allowed here');
    }
    try {
      const out = join(disk, 'q.onnx');
      const ended = await modicum(['quantize', 'net.onnx', '--method', 'dynamic', '--out', out], folder);
      assertFailed(ended, 'FILE_NOT_WRITTEN', /no space left/i);
      assert.deepEqual(await tree(disk), []);
    } finally {
      execFileSync('umount', [disk]);
    }
  });

  test('what goes wrong is told as JSON too', async () => {
    const ended = await modicum('eval net.onnx --data bare.npz --metric top1 --json -'.split(' '), folder);
    const { error } = JSON.parse(ended.stdout);
    assert.equal(error.code, 'DATA_NO_LABELS');
    assert.ok(error.message.length > 0 && error.hint.length > 0);
    assert.equal(ended.code, 2);
  });
});

async function writeAll(folder: string): Promise<void> {
  const at = (name: string) => join(folder, name);
  const { model, data }: Pair = await writeConvPair(folder, 40);
  const bytes = await readFile(model);
  await writeFile(at('empty.onnx'), '');
  await writeFile(at('cut.onnx'), bytes.subarray(0, bytes.length - 1000));
  await writeFile(at('words.onnx'), 'Dear model,\nplease run faster.\n'.repeat(40));
  await saveModel(oneNode('Frobnicate'), at('unknown-op.onnx'));
  await saveModel(oneNode('Relu', 17, 'made.up'), at('domain.onnx'));
  await saveModel(oneNode('Relu', 999), at('opset.onnx'));
  await writeExternal(folder);
  const random = new Random(2);
  const x = normals(random, [40, 3, 16, 16]);
  const labels = Tensor.int64([40], new Array<number>(40).fill(1));
  await writeFile(at('cut.npz'), (await readFile(data)).subarray(0, 5000));
  await writeNpz(at('names.npz'), { image: x, mask: x, labels });
  await writeNpz(at('shape.npz'), { x: normals(random, [40, 3, 8, 8]), labels });
  await writeNpz(at('dtype.npz'), {
    x: Tensor.int64([40, 3, 16, 16], new Array<number>(40 * 768).fill(3)),
    labels,
  });
  await writeNpz(at('bare.npz'), { x });
  await writeNpz(at('two.npz'), { x: normals(random, [2, 3, 16, 16]), labels: Tensor.int64([2], [1, 2]) });
  await writeNpz(at('rows.npz'), { x: normals(random, [40, 4]), labels });
  await writeNpz(at('mlp.npz'), { x: normals(random, [40, 32]), labels });
  // The last sample of the shuffle may lie in any part: every third is bad, so that each part meets one.
  const spoilt = x.as('float32').slice();
  for (let i = 0; i < 40; i += 3) spoilt[i * 768 + i] = Number.NaN;
  await writeNpz(at('nan.npz'), { x: Tensor.float32([40, 3, 16, 16], spoilt), labels });
  await mkdir(at('mine'));
  await writeFile(at('mine/diary'), 'dear me');
}

/** Models whose weights lie in a file that is missing, above the folder, or reached through a link. */
async function writeExternal(folder: string): Promise<void> {
  const at = (name: string) => join(folder, name);
  await mkdir(at('kept'));
  await saveModel(convNet(3), at('kept/weights.onnx'), { external: 'always' });
  const [name = ''] = (await tree(at('kept'))).filter((file) => file !== 'weights.onnx');
  const bytes = await readFile(at('kept/weights.onnx'));
  const renamed = (location: string) => {
    assert.equal(location.length, name.length);
    return Buffer.from(bytes.toString('latin1').replaceAll(name, location), 'latin1');
  };
  await writeFile(at('lost.onnx'), renamed('lost'.padEnd(name.length, '_')));
  await writeFile(at('climbs.onnx'), renamed('../'.padEnd(name.length, '_')));
  await writeFile(at('linked.onnx'), renamed('linked'.padEnd(name.length, '_')));
  await mkdir(at('far'));
  await copyFile(at(`kept/${name}`), join(folder, '..', `${folder.split('/').at(-1)}-far`));
  await symlink(join(folder, '..', `${folder.split('/').at(-1)}-far`), at('linked'.padEnd(name.length, '_')));
}
