import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Random } from '../../src/base/index.ts';
import { writeNpz } from '../../src/data/index.ts';
import { saveModel } from '../../src/files/index.ts';
import { makeGraph, makeModel, makeNode, Tensor } from '../../src/graph/index.ts';
import { ARRIVALS, type LoadResult, SCENARIOS } from '../../src/load/index.ts';
import { earlyStoppingQueries } from '../../src/measure/index.ts';
import { makeFolder, modicum, removeFolder } from '../e2e/cli.ts';
import { type Serving, startServing, writeSpotter } from '../e2e/serving.ts';
import { normals } from '../quantize-nets.ts';
import { value } from '../run-models.ts';
import { ROOT } from '../shared-data.ts';

const PATH = join(ROOT, 'docs/bench.md');
const text = readFileSync(PATH, 'utf8');

/** y = 2x, x float32 [N, 2]. */
const DOUBLE = makeModel(
  makeGraph({
    inputs: [value('x', 'float32', ['N', 2])],
    outputs: [value('y', 'float32', ['N', 2])],
    nodes: [makeNode('Mul', ['x', 'two'], ['y'])],
    initializers: new Map([['two', Tensor.float32([], [2])]]),
  }),
);

let folder = '';
let serving: Serving;
const cleaning: (() => unknown)[] = [];
before(async () => {
  folder = await makeFolder();
  mkdirSync(join(folder, 'out'));
  await saveModel(DOUBLE, join(folder, 'model.onnx'));
  await saveModel(DOUBLE, join(folder, 'double.onnx'));
  await writeNpz(join(folder, 'data.npz'), { mfcc: normals(new Random(1), [40, 1, 49, 10]) });
  const life = { after: (clean: () => unknown) => void cleaning.push(clean) };
  serving = await startServing(life as Parameters<typeof startServing>[0], folder, ['double.onnx']);
  await writeSpotter(join(folder, 'out'));
});
after(async () => {
  for (const clean of cleaning) await clean();
  await removeFolder(folder);
});

test('docs/bench.md has the early-stopping table that is used', () => {
  const rows = [0, 1, 2, 3, 5, 10, 50, 100].map(
    (over) => `| ${over} | ${earlyStoppingQueries(0.9, over)} | ${earlyStoppingQueries(0.99, over)} |`,
  );
  const block = /(<!-- early stopping -->\n)[\s\S]*?(<!-- end -->)/;
  assert.match(text, block);
  const right = text.replace(block, (_, start, end) => `${start}${rows.join('\n')}\n${end}`);
  if (process.env.UPDATE === '1') writeFileSync(PATH, right);
  assert.equal(readFileSync(PATH, 'utf8'), right, 'run the tests with UPDATE=1');
});

test('the lines of docs/bench.md run, on a model, a bundle, and a server over REST and gRPC', async () => {
  const lines = [...text.matchAll(/^modicum (bench .*)$/gm)].map(([, line]) => line!);
  const seen = new Set<string>();
  for (const line of lines) {
    // A search takes as long as a coffee.
    if (line.includes('--find')) continue;
    const here = line
      .replace('http://localhost:8080', serving.url)
      .replace('grpc://localhost:8081', serving.grpcUrl!)
      .replace('out/bundle', 'out/spotter')
      .split(' ');
    // A trace lasts as long as it lasts.
    const short = line.includes('trace:') ? [] : ['--seconds', '0.5'];
    const ended = await modicum([...here, ...short, '--warm-up', '0.1', '--json', 'result.json'], folder);
    assert.ok(ended.code === 0 || (ended.code === 1 && line.includes('--p99')), `${line}: ${ended.stderr}`);
    const result = JSON.parse(readFileSync(join(folder, 'result.json'), 'utf8')) as LoadResult;
    assert.equal(result.outcomes.ok, result.queries, `${line}: ${JSON.stringify(result.said)}`);
    assert.ok(result.queries > 0 && result.throughput.value! > 0, line);
    assert.equal(result.target, here[1]);
    assert.match(ended.stdout, /short mode: not MLPerf-valid/);
    for (const field of Object.keys(result)) seen.add(field);
  }
  assert.equal(lines.length, 7);
  const table = text.slice(text.indexOf('## The result'));
  const told = new Set([...table.matchAll(/`(\w+)`/g)].map(([, name]) => name!));
  // Small ones explain themselves.
  const small = ['partial', 'warmUp', 'seconds', 'queries', 'samples', 'samplesPerQuery', 'at', 'version'];
  const untold = [...seen].filter((name) => !told.has(name) && !small.includes(name));
  assert.deepEqual(untold, [], 'fields that it does not tell of');
  for (const [, cell] of table.matchAll(/^\| (`.*?) \|/gm)) {
    for (const [, name] of cell!.matchAll(/`(\w+)`/g)) {
      assert.ok(seen.has(name!) || ['found', 'goodput'].includes(name!), `${name} is no field`);
    }
  }
});

test('every option, scenario and arrival that docs/bench.md names is there, and none is left out', async () => {
  const help = (await modicum(['bench', '--help'], folder)).stdout;
  const options = new Set([...help.matchAll(/--[a-z][\w-]+/g)].map(([flag]) => flag));
  const named = new Set([...text.matchAll(/--[a-z][\w-]+/g)].map(([flag]) => flag));
  for (const flag of named) assert.ok(options.has(flag) || flag === '--json', flag);
  const left = [...options].filter(
    (flag) => !named.has(flag) && !['--help', '--quiet', '--data-options'].includes(flag),
  );
  assert.deepEqual(left, []);
  for (const name of SCENARIOS) assert.ok(text.includes(`| \`${name}\` |`), name);
  for (const name of ARRIVALS) assert.match(text, new RegExp(`^\\| \`${name}[:\`]`, 'm'));
});
