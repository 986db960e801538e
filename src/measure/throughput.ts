import { SILENT, throwIfAborted } from '../base/index.ts';
import type { Model } from '../graph/index.ts';
import { type Feeds, type OrtSession, openSession, type SessionSettings } from '../run/index.ts';
import { describeLoop, type LatencyOptions, type LatencyResult } from './latency.ts';
import { thisMachine } from './machine.ts';
import { recorder } from './recorder.ts';
import { runWindows, warmUp } from './windows.ts';

export interface CurveOptions
  extends Pick<LatencyOptions, 'seconds' | 'warmUpAtMost' | 'seed' | 'machine' | 'progress' | 'signal'> {
  /** Samples per run. */
  readonly batches: readonly number[];
  /** Intra-op threads of an instance. Default: one setting, all cores. */
  readonly threads?: readonly number[];
  /** Instances at work at once. Default: one. */
  readonly instances?: readonly number[];
  /** What runs for a batch; called once for each session and batch. */
  readonly feeds: (batch: number, session: OrtSession) => readonly Feeds[] | Promise<readonly Feeds[]>;
  /** Other settings of the sessions. */
  readonly settings?: Partial<SessionSettings>;
}

/** One point: what a closed loop did at these settings. */
export interface CurvePoint extends Omit<LatencyResult, 'latencies'> {
  readonly batch: number;
  readonly threads: number;
  readonly instances: number;
}

/**
 * Latency and throughput for every batch size at every number of threads and instances: a session is opened once for
 * each of those and runs all batch sizes. Points come by instances, threads, batch. `seconds` (default 1) is for a point.
 * Throws what opening and running throw.
 */
export async function throughputCurve(model: Model | string, options: CurveOptions): Promise<CurvePoint[]> {
  const { batches, instances = [1], progress = SILENT, signal, seconds = 1, seed = 1 } = options;
  const threads = options.threads ?? [undefined];
  const machine = options.machine ?? thisMachine();
  const stage = progress.stage('latency and throughput', instances.length * threads.length * batches.length);
  const points: CurvePoint[] = [];
  try {
    for (const copies of instances) {
      for (const count of threads) {
        throwIfAborted(signal);
        const session = await openSession(model, { ...options.settings, instances: copies, threads: count });
        try {
          for (const batch of batches) {
            stage.advance(0, `batch ${batch}, ${session.settings.threads} threads, ${copies} instances`);
            const feeds = await options.feeds(batch, session);
            const warm = await warmUp(session, feeds, { atMost: options.warmUpAtMost ?? 1, signal });
            const windows = await runWindows(session, feeds, { seconds, signal });
            const settings = {
              batch,
              threads: session.settings.threads,
              instances: copies,
              provider: session.settings.provider,
            };
            const { records, noise } = describeLoop(windows, warm, {
              samplesPerRun: batch,
              seed,
              record: recorder(machine, settings),
            });
            points.push({
              batch,
              threads: settings.threads,
              instances: copies,
              records,
              warmUp: warm,
              noise,
            });
            stage.advance();
          }
        } finally {
          await session.dispose();
        }
      }
    }
  } finally {
    stage.end();
  }
  return points;
}
