import { parentPort, workerData } from 'node:worker_threads';
import { ModicumError, Random } from '../../src/base/index.ts';
import { decodeModel, encodeModel, printText, removeDead, sortNodes, verify } from '../../src/graph/index.ts';
import { mutant } from './mutate.ts';

export interface FuzzOrder {
  readonly samples: readonly Uint8Array[];
  readonly seed: number;
  readonly count: number;
  /** Two 32-bit cells: the number of the mutant at hand, and the slowest one's milliseconds so far. */
  readonly progress: SharedArrayBuffer;
}

export interface FuzzOutcome {
  /** How often the reader ended so: "read", or a code. */
  readonly ends: Readonly<Record<string, number>>;
  /** What no reader may do, with the seed of the mutant. */
  readonly faults: readonly string[];
}

const CODES = /^(MODEL_(EMPTY|TRUNCATED|NOT_ONNX|INVALID|TOO_LARGE)|EXTERNAL_(MISSING|ESCAPES))$/;

/** Reads one file, and where that works does with the model what a command would do. */
function use(bytes: Uint8Array): string {
  try {
    const model = decodeModel(bytes);
    printText(model, { maxElements: 8 });
    const sound = verify(model).length === 0;
    encodeModel(model);
    if (sound) {
      sortNodes(model.graph);
      removeDead(model.graph);
    }
    return sound ? 'sound' : 'read';
  } catch (error) {
    if (error instanceof ModicumError && CODES.test(error.code)) return error.code;
    throw error;
  }
}

const { samples, seed, count, progress } = workerData as FuzzOrder;
const cells = new Int32Array(progress);
const ends: Record<string, number> = {};
const faults: string[] = [];
for (let i = 0; i < count; i++) {
  Atomics.store(cells, 0, i);
  const bytes = mutant(samples, new Random(seed + i));
  const started = performance.now();
  try {
    const end = use(bytes);
    ends[end] = (ends[end] ?? 0) + 1;
  } catch (error) {
    faults.push(`seed ${seed + i}: ${error instanceof Error ? error.stack : String(error)}`);
  }
  const took = Math.ceil(performance.now() - started);
  if (took > Atomics.load(cells, 1)) Atomics.store(cells, 1, took);
}
parentPort?.postMessage({ ends, faults } satisfies FuzzOutcome);
