import { readdir, readFile } from 'node:fs/promises';

/** Why processes cannot be looked at here; false where they can. */
export const NO_PROC = process.platform === 'linux' ? false : 'only /proc tells which processes there are';

/** The processes that a process has started and that live. Linux alone. */
export async function childrenOf(pid: number): Promise<number[]> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
  const texts = await Promise.all(
    threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/children`, 'utf8').catch(() => '')),
  );
  return texts.join(' ').split(' ').filter(Boolean).map(Number);
}

/** Resident bytes of a process; 0 where it is gone. */
export async function residentBytes(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return 1024 * Number(/^VmRSS:\s+(\d+) kB/m.exec(text)?.[1] ?? 0);
}
