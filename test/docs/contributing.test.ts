import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { ROOT } from '../shared-data.ts';

/** Where the files that CONTRIBUTING.md shows would lie, in its order. */
const PLACES = [
  'src/graph/ops',
  'src/transform/fold',
  'src/train/gradients',
  'src/measure/metrics',
  'src/cli/commands',
];

/** The TypeScript that a text shows, without the indentation of its list. */
function examples(text: string): string[] {
  return [...text.matchAll(/^( *)```ts\n(.*?)^ *```$/gms)].map(([, indent, code]) =>
    code!.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
  );
}

test('what CONTRIBUTING.md shows compiles', () => {
  const codes = examples(readFileSync(join(ROOT, 'CONTRIBUTING.md'), 'utf8'));
  assert.equal(codes.length, PLACES.length);
  const folder = mkdtempSync(join(tmpdir(), 'modicum-docs-'));
  try {
    for (const [i, code] of codes.entries()) {
      // The files stand elsewhere, so that the sources stay clean.
      const moved = code.replace(/from '(\.[^']*)'/g, (_, path: string) => {
        return `from '${resolve(ROOT, PLACES[i]!, path)}'`;
      });
      writeFileSync(join(folder, `example-${i}.ts`), moved);
    }
    // One fault shows that the files are compiled at all.
    writeFileSync(join(folder, 'planted.ts'), 'export const wrong: number = "text";\n');
    const compilerOptions = {
      rootDir: '/',
      noEmit: true,
      rewriteRelativeImportExtensions: false,
      types: ['node'],
      typeRoots: [join(ROOT, 'node_modules/@types')],
    };
    const config = { extends: join(ROOT, 'tsconfig.json'), compilerOptions, include: ['*.ts'] };
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
    const run = spawnSync(process.execPath, [tsc, '-p', folder], { encoding: 'utf8' });
    const faults = run.stdout.split('\n').filter((line) => line.includes(folder.split('/').at(-1)!));
    assert.equal(faults.length, 1, run.stdout);
    assert.match(faults[0]!, /planted\.ts.*TS2322/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
