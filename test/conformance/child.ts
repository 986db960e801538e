import type { Case } from './cases.ts';
import { tryCase, type Verdict } from './trial.ts';

/** Tries cases in a process of its own: a crash of the native runtime ends it, and not the tests. */
process.on('message', async (trial: Case) => {
  let verdict: Verdict;
  try {
    verdict = await tryCase(trial);
  } catch (error) {
    verdict = { kind: 'wrong', why: String(error).split('\n')[0] ?? '' };
  }
  process.send?.(verdict);
});
