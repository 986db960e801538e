import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { CATALOGUE, type ErrorCode } from '../../src/base/index.ts';

/** The built command line, beside the built tests. */
export const MAIN = new URL('../../src/cli/main.js', import.meta.url).pathname;

export interface Ended {
  /** The exit code, or the signal's name where one ended it. */
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts the command line as a user's shell would, away from any terminal. */
export function start(
  args: readonly string[],
  cwd: string,
  env: Record<string, string> = {},
): { child: ChildProcess; ended: Promise<Ended> } {
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd,
    env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: undefined, MODICUM_DEBUG: undefined, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code: code ?? signal ?? 'none', stdout, stderr }));
  });
  return { child, ended };
}

export const modicum = (args: readonly string[], cwd: string, env?: Record<string, string>) =>
  start(args, cwd, env).ended;

/** A folder that is gone after the test. */
export async function temporary(t: Pick<TestContext, 'after'>): Promise<string> {
  const folder = await makeFolder();
  t.after(() => removeFolder(folder));
  return folder;
}

export const makeFolder = () => mkdtemp(join(tmpdir(), 'modicum-e2e-'));
export const removeFolder = (folder: string) => rm(folder, { recursive: true, force: true });

/** Every path below a folder, sorted. */
export async function tree(folder: string): Promise<string[]> {
  return (await readdir(folder, { recursive: true })).sort();
}

/** Holds an end to what any failure must look like: one message with code, what, why and what to do; nothing else. */
export function assertFailed(ended: Ended, code: ErrorCode, about: RegExp = /./): void {
  const all = `exit ${ended.code}\n${ended.stdout}\n${ended.stderr}`;
  const found = /^error ([A-Z_]+): (.+)\n {2}what to do: (.+)\n$/.exec(ended.stderr);
  assert.ok(found, `one message alone on standard error: ${all}`);
  const [, got, message = '', hint = ''] = found;
  assert.equal(got, code, all);
  assert.ok(message.startsWith(`${CATALOGUE[code].what}: `), `says what, then why: ${message}`);
  assert.match(message, about);
  assert.ok(hint.length > 8, `says what to do: ${hint}`);
  assert.doesNotMatch(all, /\n\s+at .+:\d+:\d+|undefined|\[object|Infinity/, 'no stack, no leaked internals');
  assert.equal(ended.stdout, '', 'nothing on standard output');
  assert.equal(ended.code, CATALOGUE[code].exit, all);
}
