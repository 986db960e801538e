import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

const SCRIPT = (room: string) => `
  const { openSession } = await import(${JSON.stringify(room)});
  const { makeGraph, makeModel, makeNode, tensorType } = await import(${JSON.stringify(room.replace('/run/', '/graph/'))});
  const port = (name) => ({ name, type: tensorType('float32', [1]) });
  const session = await openSession(makeModel(makeGraph({ inputs: [port('x')], outputs: [port('y')], nodes: [makeNode('Relu', ['x'], ['y'])] })));
  await session.dispose();
`;

/** Files that the runtime's telemetry leaves in the temporary folder of a process that opens a session. */
function traces(more: Record<string, string>): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'modicum-telemetry-'));
  const env: NodeJS.ProcessEnv = { ...process.env, TMPDIR: folder, ...more };
  if (more.ORT_DISABLE_TELEMETRY === undefined) delete env.ORT_DISABLE_TELEMETRY;
  const room = new URL('./index.js', import.meta.url).href;
  execFileSync(process.execPath, ['--input-type=module', '-e', SCRIPT(room)], { env });
  const found = readdirSync(folder).filter((name) => name.startsWith('mat-debug') || name.endsWith('.ses'));
  rmSync(folder, { recursive: true, force: true });
  return found;
}

test("opening a session leaves no trace of the runtime's telemetry", () => {
  assert.deepEqual(traces({}), []);
});
