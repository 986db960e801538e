import { type ChildProcess, fork } from 'node:child_process';
import { fail } from '../base/index.ts';
import type { Feeds } from '../run/index.ts';
import { packFeeds } from '../run/index.ts';
import type { Answer, Ask, GeneratorCpu, Opened, TargetSpec } from './messages.ts';
import type { Ran, RunPlan } from './plan.ts';

export interface RunOptions {
  /** Ends the run early; what was measured is answered. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (queries: number) => void;
}

/** The process that generates load, with what is put under load opened in it. */
export class Generator {
  readonly #child: ChildProcess;
  #settle: { resolve(answer: Answer): void; reject(cause: unknown): void } | undefined;
  #onProgress: ((queries: number) => void) | undefined;
  #said = '';
  #gone: unknown;

  private constructor() {
    this.#child = fork(new URL('./generator-program.js', import.meta.url), {
      serialization: 'advanced',
      execArgv: [],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#said = (this.#said + text).slice(-2000);
    });
    this.#child.on('message', (answer: Answer) => {
      if (answer.kind === 'progress') this.#onProgress?.(answer.queries);
      else this.#settle?.resolve(answer);
    });
    this.#child.on('error', (cause) => this.#end(fail('WORKER_CRASHED', cause.message, {}, cause)));
    this.#child.on('exit', (code, name) => {
      // Node ends what it says of an error with its own version.
      const lines = this.#said.trim().split('\n');
      const last = lines.find((line) => /^\w*Error\b/.test(line)) ?? lines.at(-1);
      const why = `the process that generates the load ended with ${name ?? `code ${code}`}${last ? `: ${last}` : ''}`;
      this.#end(fail('WORKER_CRASHED', why));
    });
  }

  /** Starts the process and opens the target in it. Throws what opening throws, and WORKER_CRASHED. */
  static async open(target: TargetSpec): Promise<{ generator: Generator; opened: Opened }> {
    const generator = new Generator();
    try {
      return { generator, opened: (await generator.#ask({ kind: 'open', target })) as Opened };
    } catch (cause) {
      await generator.close();
      throw cause;
    }
  }

  /** Gives it the samples that queries draw from. */
  async give(pool: readonly Feeds[], stacks: boolean): Promise<void> {
    await this.#ask({
      kind: 'samples',
      samples: pool.map((feeds) => packFeeds(feeds, false).packed),
      stacks,
    });
  }

  /** Throws USAGE_BAD_OPTION, WORKER_CRASHED; not for what the target answers. */
  async run(
    plan: RunPlan,
    { signal, onProgress }: RunOptions = {},
  ): Promise<{ ran: Ran; cpu: GeneratorCpu }> {
    const stop = () => this.#child.connected && this.#child.send({ kind: 'stop' } satisfies Ask);
    this.#onProgress = onProgress;
    signal?.addEventListener('abort', stop, { once: true });
    try {
      const answering = this.#ask({ kind: 'run', plan });
      if (signal?.aborted) stop();
      return (await answering) as Extract<Answer, { kind: 'ran' }>;
    } finally {
      signal?.removeEventListener('abort', stop);
      this.#onProgress = undefined;
    }
  }

  /** Safe to call twice. */
  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    await new Promise<void>((resolve) => {
      this.#child.once('exit', () => resolve());
      this.#child.kill('SIGKILL');
    });
  }

  /** The number of the process, for tests. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  #ask(ask: Ask): Promise<Answer> {
    return new Promise<Answer>((resolve, reject) => {
      if (this.#gone !== undefined) return reject(this.#gone);
      this.#settle = { resolve, reject };
      this.#child.send(ask, (cause) => {
        if (cause) this.#end(fail('WORKER_CRASHED', cause.message, {}, cause));
      });
    }).then((answer) => {
      if (answer.kind !== 'failed') return answer;
      throw fail(answer.code, answer.why, answer.hint === undefined ? {} : { hint: answer.hint });
    });
  }

  #end(cause: unknown): void {
    this.#gone ??= cause;
    this.#settle?.reject(this.#gone);
  }
}
