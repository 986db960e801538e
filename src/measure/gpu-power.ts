import { type ChildProcess, spawn } from 'node:child_process';
import { messageOf } from '../base/index.ts';

/** A power reading. */
export interface PowerSample {
  /** Milliseconds on any one clock. */
  readonly at: number;
  /** Watts, all GPUs together. */
  readonly watts: number;
}

/**
 * Joules under the samples between two times, by trapezoids; the first and last readings are held to the ends.
 * Undefined with fewer than two samples.
 */
export function joulesOf(samples: readonly PowerSample[], from: number, until: number): number | undefined {
  if (samples.length < 2) return undefined;
  const inside = samples.filter(({ at }) => at > from && at < until);
  const before = samples.findLast(({ at }) => at <= from) ?? samples[0]!;
  const after = samples.find(({ at }) => at >= until) ?? samples[samples.length - 1]!;
  const points = [{ at: from, watts: before.watts }, ...inside, { at: until, watts: after.watts }];
  let joules = 0;
  for (let i = 1; i < points.length; i++) {
    joules += ((points[i]!.watts + points[i - 1]!.watts) / 2) * ((points[i]!.at - points[i - 1]!.at) / 1000);
  }
  return joules;
}

/** A line of `nvidia-smi --query-gpu=index,power.draw`: "0, 71.32". Undefined where the card does not tell ("[N/A]"). */
export function parsePowerLine(line: string): { gpu: number; watts: number } | undefined {
  const match = /^\s*(\d+)\s*,\s*([\d.]+)\s*$/.exec(line);
  return match ? { gpu: Number(match[1]), watts: Number(match[2]) } : undefined;
}

/** Samples the power of all NVIDIA GPUs with nvidia-smi, every 100 ms. */
export class GpuPowerMeter {
  readonly #command: string;
  #child: ChildProcess | undefined;
  #samples: PowerSample[] = [];
  readonly #current = new Map<number, number>();
  #rest = '';

  constructor(command = 'nvidia-smi') {
    this.#command = command;
  }

  /** Starts sampling and waits for the first reading. Gives the reason where there is none within `wait` milliseconds. */
  start(wait = 3000): Promise<string | undefined> {
    const query = ['--query-gpu=index,power.draw', '--format=csv,noheader,nounits', '-lms', '100'];
    return new Promise((resolve) => {
      const end = (why: string | undefined) => {
        clearTimeout(timer);
        if (why !== undefined) this.#child?.kill();
        resolve(why);
      };
      const timer = setTimeout(() => end(`${this.#command} gave no power reading within ${wait} ms`), wait);
      const child = spawn(this.#command, query, { stdio: ['ignore', 'pipe', 'ignore'] });
      this.#child = child;
      child.unref();
      child.once('error', (cause) => end(`${this.#command} does not start (${messageOf(cause)})`));
      child.once('exit', (code) => end(`${this.#command} ended with code ${code}`));
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        this.#take(text);
        if (this.#samples.length > 0) end(undefined);
      });
    });
  }

  #take(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      const reading = parsePowerLine(line);
      if (!reading) continue;
      this.#current.set(reading.gpu, reading.watts);
      let watts = 0;
      for (const value of this.#current.values()) watts += value;
      this.#samples.push({ at: performance.now(), watts });
    }
  }

  /** Joules between two times of performance.now(). */
  joules(from: number, until: number): number | undefined {
    return joulesOf(this.#samples, from, until);
  }

  stop(): void {
    this.#child?.kill();
  }
}
