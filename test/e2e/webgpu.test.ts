import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

/** How often a case is asked whose process was killed by the runtime's own native code. */
const ATTEMPTS = 4;
const CASES = [
  'webgpu answers as the cpu does',
  'times of nodes are those of the GPU',
  'a mix on webgpu runs there',
];

interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
}

function run(pattern: string): Promise<End> {
  const file = fileURLToPath(new URL('./webgpu-cases.js', import.meta.url));
  // Without the mark of a test runner around it, the file prints and ends as a program of its own.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const flags = ['--enable-source-maps', '--test-reporter=spec', `--test-name-pattern=${pattern}`];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...flags, file], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        output += chunk;
      });
    }
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, output }));
  });
}

for (const name of CASES) {
  // The provider's native code corrupts the heap of one process in several (glibc then aborts it): such a process has
  // said nothing about ours and is started again, a wrong answer is not.
  test(name, async (context) => {
    for (let attempt = 1; ; attempt++) {
      const { code, signal, output } = await run(name);
      if (signal !== null && attempt < ATTEMPTS && !/✖/.test(output)) {
        context.diagnostic(`its process died with ${signal} and is started again`);
        continue;
      }
      assert.equal(signal ?? code, 0, output);
      assert.match(output, /ℹ tests [1-9]/);
      const skipped = /# (webgpu does not start here: .*)/.exec(output);
      if (skipped) context.skip(skipped[1]);
      return;
    }
  });
}
