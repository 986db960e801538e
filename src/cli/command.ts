import type { Command as Commander } from 'commander';
import type { Progress } from '../base/index.ts';

/** What a command may say, show and obey. */
export interface Console {
  /** A line of the answer, to standard output. */
  print(text: string): void;
  /** A line beside the answer (warnings, where a file lies), to standard error. */
  note(text: string): void;
  readonly progress: Progress;
  /** Fires on Ctrl-C. */
  readonly signal: AbortSignal;
}

/** What a command ends with. */
export interface Outcome {
  /** What `--json` writes. */
  readonly json: unknown;
  /** 0, or 1 where the goal was not met. Errors are thrown. */
  readonly exit?: 0 | 1;
}

/** A command of the line: a thin file over a function of the library. */
export interface Command {
  readonly name: string;
  readonly summary: string;
  /** What is said on the first Ctrl-C or SIGTERM, where the usual words are wrong. */
  readonly stopping?: string;
  /** Declares arguments, options and examples. `--json` and `--quiet` are there already. */
  configure(command: Commander): void;
  run(
    args: readonly string[],
    options: Readonly<Record<string, unknown>>,
    console: Console,
  ): Promise<Outcome>;
}
