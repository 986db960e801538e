import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { breaches, FLOORS, LONGER, type Tree } from './architecture.ts';
import { ROOT } from './shared-data.ts';

function readTree(): Tree {
  const tree = new Map<string, string>();
  for (const top of ['src', 'test', 'bench', 'examples']) {
    if (!existsSync(join(ROOT, top))) continue;
    for (const name of readdirSync(join(ROOT, top), { recursive: true, encoding: 'utf8' })) {
      if (name.endsWith('.ts')) tree.set(`${top}/${name}`, readFileSync(join(ROOT, top, name), 'utf8'));
    }
  }
  return tree;
}

const dependencies = new Set(
  Object.keys(
    (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { dependencies: object }).dependencies,
  ),
);

test('the house stands as planned', () => {
  assert.deepEqual(breaches(readTree(), dependencies), []);
});

test('every longer file is there, and gives its reason', () => {
  const tree = readTree();
  for (const [path, reason] of Object.entries(LONGER)) assert.ok(tree.has(path) && reason.length > 10, path);
  assert.equal(new Set(FLOORS.flat()).size, FLOORS.flat().length);
});

/** A small house without fault. */
const SOUND: Record<string, string> = {
  'src/index.ts': "export { main } from './cli/config.ts';\n",
  'src/base/index.ts': "export { fail } from './fail.ts';\n",
  'src/base/fail.ts': 'export const fail = 1;\n',
  'src/graph/index.ts': "import { fail } from '../base/index.ts';\nexport const graph = fail;\n",
  'src/run/index.ts':
    "import {\n  graph,\n} from '../graph/index.ts';\nimport { readFileSync } from 'node:fs';\nexport const run = [graph, readFileSync, new Worker(new URL('./worker.js', import.meta.url))];\n",
  'src/run/worker.ts': "import zod from 'zod';\nzod();\n",
  'src/data/index.ts': "import type { graph } from '../graph/index.ts';\nexport const data = 1;\n",
  'src/cli/config.ts':
    "export const main = async () => [await import('../data/index.ts'), await import('./main.ts')];\n",
  'src/cli/main.ts': "import { run } from '../run/index.ts';\nrun();\n",
  'src/cli/main.test.ts': "import { test } from 'node:test';\nimport { graph } from '../graph/index.ts';\n",
};

/** Each rule, the fault that it must find, and what it says. */
const FAULTS: readonly (readonly [rule: string, fault: Record<string, string>])[] = [
  [
    'room',
    {
      'src/attic/index.ts': '',
      'src/cli/main.ts': "import '../attic/index.ts';\nimport '../run/index.ts';\n",
    },
  ],
  ['floor', { 'src/graph/index.ts': "import { run } from '../run/index.ts';\nexport const graph = run;\n" }],
  ['floor', { 'src/data/index.ts': "import type { run } from '../run/index.ts';\n" }],
  ['floor', { 'src/base/fail.ts': "export const fail = () => import('../graph/index.ts');\n" }],
  ['face', { 'src/graph/index.ts': "export { fail } from '../base/fail.ts';\n" }],
  [
    'face',
    {
      'src/graph/index.ts': "export { ROOT } from '../../test/shared-data.ts';\n",
      'test/shared-data.ts': '',
    },
  ],
  ['circle', { 'src/base/fail.ts': "import type { x } from './index.ts';\n" }],
  ['node', { 'src/graph/index.ts': "import { join } from 'node:path';\n" }],
  ['dependency', { 'src/run/worker.ts': "import left from 'left-pad/lib';\n" }],
  ['dependency', { 'src/run/worker.ts': "import left from '@left/pad/lib';\n" }],
  ['extension', { 'src/cli/main.ts': "import { run } from '../run/index.js';\n" }],
  ['extension', { 'src/cli/main.test.ts': "import { run } from '../run/index';\n" }],
  ['missing', { 'src/cli/main.ts': "import { run } from '../run/index.ts';\nimport './gone.ts';\n" }],
  ['length', { 'src/run/worker.ts': 'x\n'.repeat(401) }],
  ['length', { 'src/cli/main.test.ts': 'x\n'.repeat(401) }],
  ['unreachable', { 'src/run/forgotten.ts': '' }],
  ['unreachable', { 'src/run/index.ts': "import { graph } from '../graph/index.ts';\n" }],
];

test('a sound house has no faults', () => {
  assert.deepEqual(breaches(new Map(Object.entries(SOUND)), new Set(['zod'])), []);
});

for (const [rule, fault] of FAULTS) {
  test(`the rule "${rule}" finds ${JSON.stringify(fault).slice(0, 90)}`, () => {
    const found = breaches(new Map(Object.entries({ ...SOUND, ...fault })), new Set(['zod']));
    assert.ok(
      found.some((line) => line.startsWith(`${rule}: `)),
      `found only ${JSON.stringify(found)}`,
    );
  });
}
