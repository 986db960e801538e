import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { refusal } from './ort-errors.ts';
import { PROVIDERS, type ProviderName, resolveSettings } from './settings.ts';

/** Whether an execution provider really starts on this machine. */
export interface ProviderReport {
  readonly provider: ProviderName;
  /** It ran a model and its answer was right. */
  readonly available: boolean;
  /** Whether models in float16 run there too; undefined where it does not start. */
  readonly float16?: boolean;
  /** Why it does not, on one line. */
  readonly reason?: string;
  readonly milliseconds: number;
}

export interface ProbeOptions {
  readonly providers?: readonly ProviderName[];
  /** For each provider. Default 20,000. */
  readonly timeoutMilliseconds?: number;
}

const LONGEST_REASON = 240;

/** Starts each provider in a process of its own, so that a native crash or hang there is only a report. Never throws. */
export async function probeProviders(options: ProbeOptions = {}): Promise<ProviderReport[]> {
  const reports: ProviderReport[] = [];
  // One after another: two at once would fight for the device, and for the cores of a small machine.
  for (const provider of options.providers ?? PROVIDERS) {
    reports.push(await probe(provider, options.timeoutMilliseconds ?? 20_000));
  }
  return reports;
}

function probe(provider: ProviderName, timeout: number): Promise<ProviderReport> {
  const start = performance.now();
  return new Promise((resolve) => {
    const path = fileURLToPath(new URL('./probe-child.js', import.meta.url));
    const child = fork(path, [provider], { execArgv: [], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    let stderr = '';
    let verdict: { reason?: string; float16?: boolean } | undefined;
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, timeout);
    const end = (reason: string | undefined, float16?: boolean) => {
      clearTimeout(timer);
      const milliseconds = performance.now() - start;
      resolve({
        provider,
        available: reason === undefined,
        milliseconds,
        ...(float16 !== undefined && { float16 }),
        ...(reason && { reason: short(reason) }),
      });
    };
    child.stderr?.on('data', (chunk) => {
      stderr = (stderr + chunk).slice(-4000);
    });
    child.on('message', (message: { reason?: string; float16?: boolean }) => {
      verdict = message;
    });
    child.on('error', (cause) => end(`its process does not start: ${cause.message}`));
    child.on('close', (code, signal) => {
      if (verdict?.reason !== undefined) end(explain(provider, verdict.reason, stderr));
      else if (verdict !== undefined) end(undefined, verdict.float16 === true);
      else if (late) end(`no answer within ${timeout / 1000} s`);
      else end(`its process died with ${signal ?? `code ${code}`}${lastLine(stderr)}`);
    });
  });
}

function explain(provider: ProviderName, message: string, stderr: string): string {
  const error = refusal(message, resolveSettings({ provider }));
  const why = typeof error.data.why === 'string' ? error.data.why : error.message;
  if (/backend not found/.test(why)) return `this build of ONNX Runtime for ${process.platform} has none`;
  if (/shared library/.test(why) && (provider === 'cuda' || provider === 'tensorrt')) {
    return `its libraries are not installed (${why})`;
  }
  // What is wrong with the adapters that there are is only written to the terminal.
  const warning = /adapter/.test(why) ? /^Warning: (.+)$/m.exec(stderr)?.[1] : undefined;
  return warning === undefined ? why : `${why} (${warning})`;
}

function lastLine(text: string): string {
  const line = text.trim().split('\n').at(-1)?.trim();
  return line ? `: ${line}` : '';
}

function short(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > LONGEST_REASON ? `${line.slice(0, LONGEST_REASON - 1)}…` : line;
}
