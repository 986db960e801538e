import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { ROOT } from '../test/shared-data.ts';

const SCRIPT = 'train_step.py';

/** What PyTorch made of a model. */
export interface TorchModel {
  readonly parameters: number;
  readonly torch: string;
}

/** Seconds a step, the mean over a turn. */
export interface StepTime {
  /** By the clock on the wall. */
  readonly seconds: number;
  /** Of all processors together, idle threads that spin included. */
  readonly cpu: number;
}

/**
 * Training steps of PyTorch in a process of its own, one turn at a time. The command is the user's: MODICUM_PYTHON and
 * MODICUM_PYTHON_ROOT, as for PythonQuantizer.
 */
export class TorchSteps {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: Interface;
  readonly #folder: string;
  /** Rejects when the process ends, whoever asks then. */
  readonly #ended: Promise<never>;
  #said = '';

  private constructor(command: readonly string[], root: string) {
    const place = root === '/' ? tmpdir() : join(root, 'tmp');
    mkdirSync(place, { recursive: true });
    this.#folder = mkdtempSync(join(place, 'modicum-bench-'));
    copyFileSync(join(ROOT, 'bench/python', SCRIPT), join(this.#folder, SCRIPT));
    const script = join('/', relative(root, join(this.#folder, SCRIPT)));
    const [program, ...args] = command as [string, ...string[]];
    this.#child = spawn(program, [...args, script], { stdio: 'pipe' });
    this.#lines = createInterface(this.#child.stdout);
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#said = (this.#said + text).slice(-2000);
    });
    this.#child.stdin.on('error', () => {
      // It ended before it read: the answer that does not come tells.
    });
    this.#ended = Promise.race([once(this.#child, 'close'), once(this.#child, 'error')]).then(() => {
      throw new Error(`the Python command ended: ${this.#said.trim()}`);
    });
    this.#ended.catch(() => {
      // Heard by whoever asks.
    });
    process.on('exit', () => this.close());
  }

  /** Undefined where MODICUM_PYTHON is not set. */
  static fromEnvironment(): TorchSteps | undefined {
    const command = process.env.MODICUM_PYTHON?.trim().split(/\s+/).filter(Boolean) ?? [];
    if (command.length === 0) return undefined;
    return new TorchSteps(command, resolve(process.env.MODICUM_PYTHON_ROOT ?? '/'));
  }

  /** Makes the model, and runs a few steps. */
  open(model: string, batch: number, threads: number, layout: string): Promise<TorchModel> {
    return this.#ask<TorchModel>(`open ${model} ${batch} ${threads} ${layout}`);
  }

  /** A turn. */
  time(steps: number): Promise<StepTime> {
    return this.#ask<StepTime>(`time ${steps}`);
  }

  close(): void {
    this.#child.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #ask<T>(command: string): Promise<T> {
    const answered = once(this.#lines, 'line') as Promise<[string]>;
    this.#child.stdin.write(`${command}\n`);
    const [line] = await Promise.race([answered, this.#ended]);
    const answer = JSON.parse(line) as T & { error?: string };
    if (answer.error !== undefined) throw new Error(`${command}: ${answer.error}`);
    return answer;
  }
}
