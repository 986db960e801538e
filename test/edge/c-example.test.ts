import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { emitC } from '../../src/edge/index.ts';
import { loadModel } from '../../src/files/index.ts';
import { ROOT } from '../shared-data.ts';
import { compileC, hasCompiler, STRICT } from './c-programs.ts';
import { cleaned } from './quantized.ts';

const LABELS = Array.from({ length: 12 }, (_, i) => `"word ${i}?"`);

test('the program in docs/edge-c.md does what it says', {
  skip: hasCompiler() ? false : 'no gcc',
}, async () => {
  const text = readFileSync(join(ROOT, 'docs/edge-c.md'), 'utf8');
  const main = /```c\n([\s\S]*?)```/.exec(text)![1]!;
  const model = await cleaned(await loadModel(join(ROOT, 'examples/keyword-spotter/light.onnx')));
  const { header, source } = emitC(model, { name: 'kws', labels: LABELS });
  const folder = mkdtempSync(join(tmpdir(), 'modicum-c-example-'));
  try {
    const program = await compileC(folder, { 'kws.h': header, 'kws.c': source, 'main.c': main }, [
      ...STRICT,
      '-O2',
    ]);
    const said = execFileSync(program, { encoding: 'utf8' }).trim();
    assert.ok(LABELS.includes(said), said);
    const flags = /gcc (-std=c99 -O2[^\n]*) -o listen main\.c kws\.c/.exec(text)![1]!.split(' ');
    await compileC(folder, { 'kws.h': header, 'kws.c': source, 'main.c': main }, flags);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
