import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CATALOGUE } from '../src/base/index.ts';
import { ROOT } from './shared-data.ts';

const PATH = join(ROOT, 'docs/errors.md');

function document(): string {
  const rows = Object.entries(CATALOGUE).map(
    ([code, { what, hint, exit }]) => `| \`${code}\` | ${what} | ${hint} | ${exit} |`,
  );
  return `# Errors

Every error that Modicum ends with has a stable code. The message says what happened and why, the hint what to do; with
\`--json\` both are in the output. Exit code 1: the goal was not met. Exit code 2: usage, input or environment.

<!-- Generated from src/base/errors; UPDATE=1 npm test rewrites it. -->

| code | what happened | what to do | exit |
|---|---|---|---|
${rows.join('\n')}
`;
}

test('docs/errors.md is the catalogue', () => {
  if (process.env.UPDATE === '1') writeFileSync(PATH, document());
  assert.equal(readFileSync(PATH, 'utf8'), document(), 'run with UPDATE=1');
});

test('every code is used somewhere', () => {
  const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts') && !name.startsWith('base/errors'))
    .map((name) => readFileSync(join(ROOT, 'src', name), 'utf8'))
    .join('\n');
  const unused = Object.keys(CATALOGUE).filter((code) => !new RegExp(`['"\`]${code}['"\`]`).test(sources));
  assert.deepEqual(unused, []);
});

test('a row says what and what to do, as sentences fit for a table', () => {
  for (const [code, { what, hint, exit }] of Object.entries(CATALOGUE)) {
    assert.match(code, /^[A-Z]+(_[A-Z]+)*$/);
    assert.match(what, /^[A-Z][^|\n]+[^.]$/, code);
    assert.match(hint, /^(?:[A-Z]|modicum )[^|\n]+\.$/, `${code}: ${hint}`);
    assert.ok(exit === 1 || exit === 2);
  }
});
