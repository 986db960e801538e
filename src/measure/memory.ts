import { fork } from 'node:child_process';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fail, type Progress, SILENT, throwIfAborted } from '../base/index.ts';
import { loadModel, saveModel, weightBytes } from '../files/index.ts';
import type { Model } from '../graph/index.ts';
import type { Feeds, SessionSettings } from '../run/index.ts';
import { thisMachine } from './machine.ts';
import type { MemoryAnswer, MemoryTask, SentTensor } from './memory-child.ts';
import type { Interval, Measurement } from './record.ts';
import { recorder, type Settings } from './recorder.ts';
import { medianOf } from './windows.ts';

export interface MemoryOptions {
  readonly feeds: Feeds;
  /** How the session is opened. */
  readonly session?: Partial<SessionSettings>;
  /** Runs in each process. Default 3. */
  readonly runs?: number;
  /** Processes for the model, and as many for the baseline. Default 3. */
  readonly repeats?: number;
  /** A process that takes longer is ended. Default 300 seconds. */
  readonly atMostSeconds?: number;
  /** Goes into the records. */
  readonly settings?: Settings;
  readonly machine?: string;
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

/**
 * memory.peak: the most resident memory that loading and running a model takes, in a process of its own, less what the same
 * process takes for a model of a single Identity; memory.process: with all of that; memory.weights: bytes of the weights;
 * and size.file where the model is a file without external data. Bytes all.
 * Throws WORKER_CRASHED where the process dies, and what opening and running throw.
 */
export async function measureMemory(model: Model | string, options: MemoryOptions): Promise<Measurement[]> {
  const { repeats = 3, runs = 3, progress = SILENT, signal } = options;
  const stage = progress.stage('peak memory', 2 * repeats);
  const folder = await mkdtemp(join(tmpdir(), 'modicum-memory-'));
  try {
    let path: string;
    if (typeof model === 'string') path = resolve(model);
    else {
      path = join(folder, 'model.onnx');
      await saveModel(model, path);
    }
    const base = { settings: { ...options.session, instances: options.session?.instances ?? 1 }, runs };
    const loaded: number[] = [];
    const empty: number[] = [];
    let source = '';
    // In turns, so that both meet the same machine.
    for (let i = 0; i < repeats; i++) {
      throwIfAborted(signal);
      const answer = await ask({ ...base, path, feeds: sent(options.feeds) }, options);
      loaded.push(answer.peakBytes);
      source = answer.source;
      stage.advance();
      empty.push((await ask({ ...base, path: undefined, feeds: {} }, options)).peakBytes);
      stage.advance();
    }
    const record = recorder(options.machine ?? thisMachine(), options.settings);
    const how = `${source} of ${repeats} processes that open the model and run it ${runs} times, inputs and outputs in it`;
    const known = typeof model === 'string' ? await loadModel(path) : model;
    const records = [
      record({
        what: 'memory.peak',
        value: Math.max(0, medianOf(loaded) - medianOf(empty)),
        unit: 'B',
        interval: range(
          Math.max(0, Math.min(...loaded) - Math.max(...empty)),
          Math.max(0, Math.max(...loaded) - Math.min(...empty)),
          repeats,
        ),
        how: 'measured',
        method: `Median of the ${how}, less the median of ${repeats} processes with a model of one Identity.`,
        n: repeats,
      }),
      record({
        what: 'memory.process',
        value: medianOf(loaded),
        unit: 'B',
        interval: range(Math.min(...loaded), Math.max(...loaded), repeats),
        how: 'measured',
        method: `Median of the ${how}; node and the runtime are in it.`,
        n: repeats,
      }),
      record({
        what: 'memory.weights',
        value: weightBytes(known.graph),
        unit: 'B',
        how: 'measured',
        method: 'Bytes of the initializers and of tensors in attributes, as the model holds them.',
        n: 1,
      }),
    ];
    if (typeof model === 'string') {
      records.push(
        record({
          what: 'size.file',
          value: (await stat(path)).size,
          unit: 'B',
          how: 'measured',
          method: 'Bytes of the model file, without external data.',
          n: 1,
        }),
      );
    }
    return records;
  } finally {
    stage.end();
    await rm(folder, { recursive: true, force: true });
  }
}

function range(low: number, high: number, repeats: number): Interval | undefined {
  if (repeats < 2) return undefined;
  return { low, high, level: 1 - 2 ** (1 - repeats), method: `range of ${repeats} processes` };
}

function sent(feeds: Feeds): Record<string, SentTensor> {
  return Object.fromEntries(
    Object.entries(feeds).map(([name, tensor]) => [
      name,
      {
        dtype: tensor.dtype,
        dims: tensor.dims,
        content: tensor.dtype === 'string' ? tensor.strings() : tensor.bytes(),
      },
    ]),
  );
}

/** One process, one task. */
function ask(task: MemoryTask, { atMostSeconds = 300, signal }: MemoryOptions) {
  return new Promise<Extract<MemoryAnswer, { peakBytes: number }>>((succeed, refuse) => {
    const child = fork(new URL('./memory-child.js', import.meta.url), {
      serialization: 'advanced',
      execArgv: [],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    let said = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-2000);
    });
    const end = (settle: () => void) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      child.kill('SIGKILL');
      settle();
    };
    const abort = () => end(() => refuse(signal?.reason));
    const timer = setTimeout(
      () =>
        end(() =>
          refuse(
            fail('WORKER_CRASHED', `measuring memory took longer than ${atMostSeconds} s and was ended`),
          ),
        ),
      atMostSeconds * 1000,
    );
    signal?.addEventListener('abort', abort, { once: true });
    child.once('error', (cause) => end(() => refuse(fail('WORKER_CRASHED', cause.message, {}, cause))));
    child.once('exit', (code, name) =>
      end(() =>
        refuse(
          fail(
            'WORKER_CRASHED',
            `the process that measured memory ended with ${name ?? `code ${code}`}${said ? `: ${said.trim().split('\n').pop()}` : ''}`,
          ),
        ),
      ),
    );
    child.once('message', (answer: MemoryAnswer) =>
      end(() => ('code' in answer ? refuse(fail(answer.code, answer.why)) : succeed(answer))),
    );
    child.send(task, (cause) => {
      if (cause) end(() => refuse(fail('WORKER_CRASHED', cause.message, {}, cause)));
    });
  });
}
