import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { type Progress, SILENT, throwIfAborted } from '../base/index.ts';
import { writeFileAtomically } from '../files/index.ts';
import {
  type DType,
  type Model,
  makeGraph,
  makeModel,
  makeNode,
  Tensor,
  tensorType,
} from '../graph/index.ts';
import { describeMachine, type Feeds, openSession } from '../run/index.ts';
import type { Measurement } from './record.ts';
import { recorder } from './recorder.ts';

/** What this machine can do at most, by number of threads. */
export interface Limits {
  /** Id of the machine they hold for. */
  readonly machine: string;
  /**
   * limit.float32 and limit.int8 (operations per second, two per multiply-accumulate), limit.bandwidth (bytes per second);
   * each for one thread and for all.
   */
  readonly records: readonly Measurement[];
}

export interface LimitOptions {
  /** Measures again even where a cached result is there. */
  readonly refresh?: boolean;
  /** Folder of the cache. Default: modicum in $XDG_CACHE_HOME or ~/.cache. */
  readonly cache?: string;
  /** Seconds for each of the kernels at each number of threads. Default 1. */
  readonly seconds?: number;
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

interface Kernel {
  readonly what: string;
  readonly unit: string;
  /** Operations or bytes of a run. */
  readonly work: number;
  readonly model: () => Model;
  readonly feeds: () => Feeds;
  readonly method: string;
}

const [M, K, N] = [512, 2048, 1024];
/** Elements of the tensors that are streamed: 64 MiB each. */
const STREAM = 2 ** 24;

function product(op: string, from: DType, to: DType, weight: Tensor): Model {
  const graph = makeGraph({
    inputs: [{ name: 'x', type: tensorType(from, [M, K]) }],
    outputs: [{ name: 'y', type: tensorType(to, [M, N]) }],
    nodes: [makeNode(op, ['x', 'w'], ['y'])],
    initializers: new Map([['w', weight]]),
  });
  return makeModel(graph, 17, { irVersion: 8 });
}

/** Adds a number to a large tensor and keeps one element of the sum, so that no large output is copied out. */
function stream(): Model {
  const graph = makeGraph({
    inputs: [{ name: 'x', type: tensorType('float32', [1]) }],
    outputs: [{ name: 'y', type: tensorType('float32', [1]) }],
    nodes: [makeNode('Add', ['x', 'w'], ['sum']), makeNode('Slice', ['sum', 'from', 'to'], ['y'])],
    initializers: new Map([
      ['w', Tensor.float32([STREAM], new Float32Array(STREAM).fill(1))],
      ['from', Tensor.int64([1], [0])],
      ['to', Tensor.int64([1], [1])],
    ]),
  });
  return makeModel(graph, 17, { irVersion: 8 });
}

const KERNELS: readonly Kernel[] = [
  {
    what: 'limit.float32',
    unit: 'op/s',
    work: 2 * M * K * N,
    model: () =>
      product('MatMul', 'float32', 'float32', Tensor.float32([K, N], new Float32Array(K * N).fill(0.01))),
    feeds: () => ({ x: Tensor.float32([M, K], new Float32Array(M * K).fill(0.5)) }),
    method: `a float32 MatMul of ${M}x${K} by ${K}x${N}`,
  },
  {
    what: 'limit.int8',
    unit: 'op/s',
    work: 2 * M * K * N,
    model: () =>
      product('MatMulInteger', 'uint8', 'int32', Tensor.of('int8', [K, N], new Int8Array(K * N).fill(3))),
    feeds: () => ({ x: Tensor.of('uint8', [M, K], new Uint8Array(M * K).fill(5)) }),
    method: `a MatMulInteger (uint8 by int8) of ${M}x${K} by ${K}x${N}`,
  },
  {
    what: 'limit.bandwidth',
    unit: 'B/s',
    work: 2 * 4 * STREAM,
    model: stream,
    feeds: () => ({ x: Tensor.float32([1], [0.5]) }),
    method: `an Add over ${(4 * STREAM) / 2 ** 20} MiB, read and written once; a cache larger than that would flatter it`,
  },
];

const PARTS = 5;

/**
 * The peak float32 and int8 arithmetic and the memory bandwidth that ONNX Runtime reaches on this machine's CPU, with one thread
 * and with all: the fastest run of a large kernel, as a limit is what the machine can do when nothing disturbs it.
 * Measured once and kept in a cache file by machine and versions.
 */
export async function machineLimits(options: LimitOptions = {}): Promise<Limits> {
  const machine = describeMachine();
  const folder = options.cache ?? join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'modicum');
  const path = join(folder, `limits-${machine.id}.json`);
  if (!options.refresh) {
    const cached = await readCached(path, machine.id);
    if (cached) return cached;
  }
  const { seconds = 1, progress = SILENT, signal } = options;
  const counts = [...new Set([1, machine.availableCores])];
  const stage = progress.stage("this machine's limits", KERNELS.length * counts.length);
  const records: Measurement[] = [];
  try {
    for (const kernel of KERNELS) {
      for (const threads of counts) {
        throwIfAborted(signal);
        const best = await fastest(kernel, threads, seconds, signal);
        const rates = best.map((milliseconds) => kernel.work / (milliseconds / 1000));
        records.push(
          recorder(machine.id, { threads })({
            what: kernel.what,
            value: Math.max(...rates),
            unit: kernel.unit,
            interval: {
              low: Math.min(...rates),
              high: Math.max(...rates),
              level: 1 - 2 ** (1 - PARTS),
              method: `range of the fastest runs of ${PARTS} parts`,
            },
            how: 'measured',
            method: `Fastest run of ${kernel.method}, ${threads} ${threads === 1 ? 'thread' : 'threads'}.`,
            n: PARTS,
          }),
        );
        stage.advance();
      }
    }
  } finally {
    stage.end();
  }
  const limits: Limits = { machine: machine.id, records };
  // A cache that cannot be written costs seconds next time, nothing else.
  await writeFileAtomically(path, `${JSON.stringify(limits, undefined, 1)}\n`).catch(() => {});
  return limits;
}

/** Milliseconds of the fastest run in each of five parts. */
async function fastest(
  kernel: Kernel,
  threads: number,
  seconds: number,
  signal: AbortSignal | undefined,
): Promise<number[]> {
  const session = await openSession(kernel.model(), { threads });
  try {
    const feeds = [kernel.feeds()];
    await session.loop(feeds, { seconds: seconds / PARTS, signal });
    const best: number[] = [];
    for (let part = 0; part < PARTS; part++) {
      const { latencies } = await session.loop(feeds, { seconds: seconds / PARTS, signal });
      best.push(latencies.reduce((least, one) => Math.min(least, one)));
    }
    return best;
  } finally {
    await session.dispose();
  }
}

const CACHED = z.object({
  machine: z.string(),
  records: z.array(
    z.object({
      what: z.enum(['limit.float32', 'limit.int8', 'limit.bandwidth']),
      value: z.number().positive(),
      unit: z.string(),
      interval: z
        .object({ low: z.number(), high: z.number(), level: z.number(), method: z.string() })
        .optional(),
      how: z.enum(['measured', 'estimated', 'modelled', 'given']),
      method: z.string(),
      n: z.number(),
      settings: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
      machine: z.string(),
      at: z.string(),
    }),
  ),
});

/** A cache that is missing, damaged or another machine's is none. */
async function readCached(path: string, machine: string): Promise<Limits | undefined> {
  try {
    const limits = CACHED.parse(JSON.parse(await readFile(path, 'utf8')));
    const whole = KERNELS.every(({ what }) => limits.records.some((record) => record.what === what));
    return limits.machine === machine && whole ? limits : undefined;
  } catch {
    return undefined;
  }
}

/** The limit for a number of threads: that of the nearest number measured, or between two by the line that joins them. */
export function limitFor(limits: Limits, what: string, threads: number): number {
  const points = limits.records
    .filter((record) => record.what === what)
    .map((record) => ({ threads: Number(record.settings?.threads ?? 1), value: record.value }))
    .sort((a, b) => a.threads - b.threads);
  const above = points.find((point) => point.threads >= threads) ?? points[points.length - 1];
  const below = points.findLast((point) => point.threads <= threads) ?? points[0];
  if (!above || !below) return Number.NaN;
  if (above.threads === below.threads) return above.value;
  const share = (threads - below.threads) / (above.threads - below.threads);
  return below.value + share * (above.value - below.value);
}
