import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../shared-data.ts';
import type { Case } from './cases.ts';
import type { Verdict } from './trial.ts';

const KNOWN_FAILURES = join(ROOT, 'test/conformance/known-failures.txt');
/** Milliseconds that one case may take. */
const PATIENCE = 120_000;

/** Tries the cases one after another; one that kills the process is `refused` for `crash`, a slow one for `timeout`. */
async function tryAll(cases: readonly Case[]): Promise<Map<string, Verdict>> {
  const verdicts = new Map<string, Verdict>();
  let child: ChildProcess | undefined;
  for (const trial of cases) {
    child ??= fork(new URL('./child.js', import.meta.url), { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
    const verdict = await ask(child, trial);
    verdicts.set(trial.name, verdict);
    if (verdict.kind === 'refused' && ENDED.includes(verdict.why)) {
      child.kill('SIGKILL');
      child = undefined;
    }
  }
  child?.disconnect();
  return verdicts;
}

const ENDED = ['crash', 'timeout'];

function ask(child: ChildProcess, trial: Case): Promise<Verdict> {
  return new Promise((resolve) => {
    const done = (verdict: Verdict) => {
      clearTimeout(timer);
      child.off('exit', crashed);
      child.off('message', done);
      resolve(verdict);
    };
    const crashed = () => done({ kind: 'refused', why: 'crash' });
    const timer = setTimeout(() => done({ kind: 'refused', why: 'timeout' }), PATIENCE);
    child.on('exit', crashed);
    child.on('message', done);
    child.send(trial);
  });
}

/**
 * Tries all cases and holds the outcome to known-failures.txt (UPDATE=1 rewrites it): whatever is not listed there must
 * be equal, whatever is must be refused by the runtime, for the listed reason. Returns the counts.
 */
export async function holdToKnownFailures(cases: readonly Case[]): Promise<string[]> {
  const verdicts = await tryAll(cases);
  const refused: string[] = [];
  const wrong: string[] = [];
  for (const [name, verdict] of verdicts) {
    if (verdict.kind === 'refused') refused.push(`${name} ${verdict.why}`);
    if (verdict.kind === 'wrong') wrong.push(`${name}: ${verdict.why}`);
  }
  if (process.env.UPDATE === '1') writeFileSync(KNOWN_FAILURES, `${HEADER}\n${refused.sort().join('\n')}\n`);
  const listed = readFileSync(KNOWN_FAILURES, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  assert.deepEqual(listed, [...listed].sort(), 'known-failures.txt is sorted');
  assert.deepEqual(wrong, [], 'these models do not survive reading and writing');
  const differ = 'what the runtime refuses, and known-failures.txt, differ';
  assert.deepEqual(refused.filter(isEverywhere).sort(), listed.filter(isEverywhere), differ);
  return countsOf(verdicts);
}

/** Whether a machine has the locale that StringNormalizer asks for is no matter of ours. */
function isEverywhere(line: string): boolean {
  return !line.endsWith(' no-locale');
}

const HEADER = `# Official ONNX cases (v1.22.0) whose original model onnxruntime-node itself does not run, and why:
#   no-kernel: ONNX Runtime has no implementation of the operator for these types or this old opset;
#   unknown-op: it does not know the operator or the opset; load-error, run-error: it refuses the model or the inputs;
#   no-locale: this machine lacks the locale that the model asks for; crash, timeout: it does not come back;
#   X-input, X-output: the JavaScript binding takes or gives no values of this type.
# UPDATE=1 with the conformance test rewrites this file.`;

function countsOf(verdicts: ReadonlyMap<string, Verdict>): string[] {
  const groups = new Map<string, Map<string, number>>();
  for (const [name, { kind }] of verdicts) {
    const group = name.split('/')[0] ?? '';
    const counts = groups.get(group) ?? new Map<string, number>();
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
    groups.set(group, counts);
  }
  return [...groups].map(([group, counts]) => {
    const of = (kind: string) => counts.get(kind) ?? 0;
    const total = [...counts.values()].reduce((a, b) => a + b, 0);
    return `${total} ${group} cases: ${of('equal')} equal, ${of('random')} random by design, ${of('refused')} refused by the runtime`;
  });
}
