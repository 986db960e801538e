import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { CATALOGUE } from '../../src/base/index.ts';
import { COMMANDS } from '../../src/cli/commands/index.ts';
import { saveModel } from '../../src/files/index.ts';
import { makeGraph, makeModel, makeNode, Tensor } from '../../src/graph/index.ts';
import { flagOf, METRICS, SETTING_NAMES, settingsTable, variableOf } from '../../src/serve/index.ts';
import { makeFolder, modicum } from '../e2e/cli.ts';
import { type Serving, startServing } from '../e2e/serving.ts';
import { value } from '../run-models.ts';
import { ROOT } from '../shared-data.ts';

const PATH = join(ROOT, 'docs/serve.md');

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
let text = '';
const cleaning: (() => unknown)[] = [];
before(async () => {
  const generated = { settings: settingsTable(), metrics: metricsTable() };
  text = readFileSync(PATH, 'utf8');
  for (const [name, table] of Object.entries(generated)) {
    const block = new RegExp(`(<!-- ${name} -->\n)[^]*?(<!-- end -->)`);
    assert.match(text, block);
    text = text.replace(block, (_, start, end) => `${start}${table}\n${end}`);
  }
  if (process.env.UPDATE === '1') writeFileSync(PATH, text);
  folder = await makeFolder();
  await saveModel(DOUBLE, join(folder, 'double.onnx'));
  const life = { after: (clean: () => unknown) => void cleaning.push(clean) };
  serving = await startServing(life as Parameters<typeof startServing>[0], folder, ['double.onnx']);
});
after(async () => {
  for (const clean of cleaning) await clean();
  await rm(folder, { recursive: true, force: true });
});

function metricsTable(): string {
  const rows = Object.entries(METRICS).map(
    ([name, { type, labels, help }]) => `| \`${name}\` | ${type} | ${labels.join(', ')} | ${help} |`,
  );
  return ['| metric | type | labels | |', '|---|---|---|---|', ...rows].join('\n');
}

const blocks = (kind: string) =>
  [...text.matchAll(new RegExp(`^\`\`\`${kind}\n(.*?)^\`\`\``, 'gms'))].map(([, code]) => code!);

test('docs/serve.md has the settings and the metrics that there are', () => {
  assert.equal(readFileSync(PATH, 'utf8'), text, 'run the tests with UPDATE=1');
});

test('the lines of docs/serve.md get the answers that it shows', async (t) => {
  if (spawnSync('curl', ['--version']).status !== 0) return t.skip('no curl command');
  let asked = 0;
  for (const block of blocks('sh')) {
    // A command may have several lines; what it answers stands behind it as a comment.
    for (const [, command, answer] of block.matchAll(/((?:^(?!#).*\n)+)((?:^#.*\n)*)/gm)) {
      if (!command!.includes('localhost:8080')) continue;
      const here = command!.replaceAll('localhost:8080', serving.url.replace('http://', ''));
      const { stdout } = await promisify(execFile)('sh', ['-c', here]);
      assert.equal(stdout.trim(), answer!.replaceAll(/^# /gm, '').trim(), command);
      asked++;
    }
  }
  assert.equal(asked, 8);
});

test('the program of docs/serve.md prints what it says', async () => {
  const [code] = blocks('ts');
  writeFileSync(join(folder, 'program.ts'), code!);
  const alias = { modicum: join(ROOT, 'build/src/index.js') };
  const jiti = JSON.stringify(join(ROOT, 'node_modules/jiti/lib/jiti.mjs'));
  writeFileSync(
    join(folder, 'start.mjs'),
    `import { createJiti } from ${jiti};
     const jiti = createJiti(import.meta.url, { alias: ${JSON.stringify(alias)}, fsCache: false });
     await jiti.import(${JSON.stringify(join(folder, 'program.ts'))});\n`,
  );
  const { stdout } = await promisify(execFile)(process.execPath, ['start.mjs'], { cwd: folder });
  const said = [...code!.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map(([, one]) => one);
  assert.deepEqual(stdout.trim().split('\n'), said);
});

test('every option, variable, path, header and code that docs/serve.md names is there', async () => {
  const { stdout: help } = await modicum(['serve', '--help'], folder);
  const bench = (await modicum(['bench', '--help'], folder)).stdout;
  const curl = new Set(['--data-binary']);
  const known = new Set(
    [...SETTING_NAMES.map(flagOf), ...`${help} ${bench}`.matchAll(/--[a-z][\w-]+/g)].map(String),
  );
  for (const [flag] of text.matchAll(/(?<![\w-])--[a-z][\w-]+/g)) {
    assert.ok(known.has(flag) || known.has(flag.replace('--', '--no-')) || curl.has(flag), flag);
  }
  const variables = new Set(SETTING_NAMES.map(variableOf));
  for (const [variable] of text.matchAll(/MODICUM_SERVE_\w+/g)) assert.ok(variables.has(variable), variable);
  for (const [, command] of text.matchAll(/modicum (\w+)(?= )/g)) {
    if (command !== 'import') assert.ok(command! in COMMANDS, command);
  }
  const document = (await (await fetch(`${serving.url}/openapi.json`)).json()) as { paths: object };
  const paths = [...Object.keys(document.paths), '/openapi.json', '/metrics', '/dashboard/', '/dashboard'];
  const forms = paths.map((path) => new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[\\w.]+')}$`));
  let named = 0;
  for (const [, path] of text.matchAll(/(?:`(?:POST )?|localhost:8080)(\/(?!\/)[\w./-]*)(?=[`\s])/g)) {
    assert.ok(
      forms.some((form) => form.test(path!)),
      path,
    );
    named++;
  }
  assert.ok(named > 12);
  for (const [, code] of text.matchAll(/^\| \d{3} \|.*?\| (.*?) \| [^|]* \|$/gm)) {
    for (const [, one] of code!.matchAll(/`([A-Z_]+)`/g)) assert.ok(one! in CATALOGUE, one);
  }
  const answer = await fetch(`${serving.url}/v2/models/double/infer`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}',
  });
  const headers = [...answer.headers.keys()].filter((name) => name.startsWith('x-modicum-'));
  const told = new Set([...text.matchAll(/^\| `(x-modicum-[\w-]+)`/gm)].map(([, name]) => name!));
  assert.deepEqual(
    headers.filter((name) => !told.has(name)),
    [],
    'headers that it does not tell of',
  );
  // Those that not every answer has.
  const some = [
    'x-modicum-exit',
    'x-modicum-joules',
    'x-modicum-dollars',
    'x-modicum-cached',
    'x-modicum-retried',
  ];
  for (const name of told) {
    assert.ok(headers.includes(name) || some.includes(name), name);
  }
});
