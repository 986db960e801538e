import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { childrenOf } from '../test/process-tree.ts';

/** Clock ticks a second of /proc: fixed on Linux for all programs. */
const TICKS = 100;

/** Keeps this process, and whatever it starts from now on, to one core. Answers why not, where it cannot. */
export function pinHere(core: number): string | undefined {
  try {
    execFileSync('taskset', ['-acp', String(core), String(process.pid)], { stdio: 'ignore' });
    return undefined;
  } catch (cause) {
    return `processes are not pinned (${cause instanceof Error ? cause.message : cause})`;
  }
}

/** A program of this folder in a process of its own on one core, that answers messages in the order in which they are sent. */
export class Pinned {
  readonly pid: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
    // taskset becomes the program: the number stays.
    this.pid = child.pid!;
  }

  /** Starts it; resolves with its first message. `core`: undefined leaves it where it likes. */
  static async start<Said>(
    program: string,
    args: readonly string[],
    core: number | undefined,
  ): Promise<{ process: Pinned; said: Said }> {
    const path = new URL(`./${program}.js`, import.meta.url).pathname;
    const line = [process.execPath, path, ...args];
    const [command, ...rest] = core === undefined ? line : ['taskset', '-c', String(core), ...line];
    const child = spawn(command!, rest, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    const pinned = new Pinned(child);
    return { process: pinned, said: await pinned.#answer<Said>() };
  }

  async ask<Said>(question: object): Promise<Said> {
    this.#child.send(question);
    return this.#answer<Said>();
  }

  /** CPU seconds of it and of all that it has started and that lives. */
  cpuSeconds(): Promise<number> {
    return cpuOfTree(this.pid);
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.disconnect();
    await gone;
  }

  async #answer<Said>(): Promise<Said> {
    const gone = new AbortController();
    const lost = once(this.#child, 'exit', { signal: gone.signal }).then(([code]) => {
      throw new Error(`a program of the bench ended with ${code}`);
    });
    try {
      const [said] = await Promise.race([once(this.#child, 'message', { signal: gone.signal }), lost]);
      return said as Said;
    } finally {
      gone.abort();
      lost.catch(() => {});
    }
  }
}

async function cpuOfTree(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (stat === undefined) return 0;
  // Behind the name, which may hold anything: field 3 is the first.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const own = (Number(fields[11]) + Number(fields[12])) / TICKS;
  const children = await Promise.all((await childrenOf(pid)).map(cpuOfTree));
  return children.reduce((sum, seconds) => sum + seconds, own);
}
