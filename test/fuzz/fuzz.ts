import { readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { encodeModel } from '../../src/graph/index.ts';
import { arbitraryModel } from '../random-model.ts';
import { sharedData } from '../shared-data.ts';
import type { FuzzOrder, FuzzOutcome } from './worker.ts';

/** Small enough to be mutated thousands of times. */
const REAL = [
  'mnist/mnist-8.onnx',
  'keywords/alibaba_kws.onnx',
  'mlperf-tiny/alibaba_vww.onnx',
  'silero-vad/silero_vad_half.onnx',
];

/** Real models, where this machine has them, and made ones that hold everything the format can say. */
export function fuzzSamples(): Uint8Array[] {
  const real = REAL.flatMap((name) => sharedData(name) ?? []).map(
    (path) => new Uint8Array(readFileSync(path)),
  );
  const made = fc.sample(arbitraryModel, { seed: 21, numRuns: 40 }).map((model) => encodeModel(model));
  return [...real, ...made];
}

export interface FuzzReport extends FuzzOutcome {
  readonly slowestMs: number;
  /** By how many bytes the process grew at most. */
  readonly grownBytes: number;
}

/** Milliseconds without progress after which a mutant counts as hanging. */
const HANGS = 20_000;

/** Reads `count` mutants in a worker with little memory; a hang or a crash of the worker is a fault with its seed. */
export function fuzz(samples: readonly Uint8Array[], seed: number, count: number): Promise<FuzzReport> {
  const progress = new SharedArrayBuffer(8);
  const cells = new Int32Array(progress);
  const order: FuzzOrder = { samples, seed, count, progress };
  const worker = new Worker(new URL('./worker.js', import.meta.url), {
    workerData: order,
    resourceLimits: { maxOldGenerationSizeMb: 400, stackSizeMb: 4 },
  });
  const before = process.memoryUsage().rss;
  let most = before;
  let [last, since] = [-1, performance.now()];
  return new Promise((resolve) => {
    const end = (outcome: FuzzOutcome) => {
      clearInterval(watch);
      resolve({ ...outcome, slowestMs: Atomics.load(cells, 1), grownBytes: most - before });
    };
    const broken = (what: string) =>
      end({ ends: {}, faults: [`seed ${seed + Atomics.load(cells, 0)}: ${what}`] });
    const watch = setInterval(() => {
      most = Math.max(most, process.memoryUsage().rss);
      const now = Atomics.load(cells, 0);
      if (now !== last) [last, since] = [now, performance.now()];
      else if (performance.now() - since > HANGS) {
        broken('hangs');
        void worker.terminate();
      }
    }, 20);
    worker.once('message', end);
    worker.once('error', (error) => broken(String(error)));
  });
}
