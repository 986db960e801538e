import type { ErrorCode } from '../base/index.ts';
import type { Packed, Port, SessionSettings } from '../run/index.ts';
import type { Ran, RunPlan } from './plan.ts';

/** What is put under load, as plain data. */
export type TargetSpec =
  | { readonly kind: 'model'; readonly path: string; readonly settings: Partial<SessionSettings> }
  | {
      readonly kind: 'bundle';
      readonly path: string;
      readonly settings: 'throughput' | 'latency';
      readonly override: Partial<SessionSettings>;
    }
  | { readonly kind: 'url'; readonly url: string; readonly key?: string };

/** What the parent asks of the process that generates the load. One answer each; a run may be stopped meanwhile. */
export type Ask =
  | { readonly kind: 'open'; readonly target: TargetSpec }
  | { readonly kind: 'samples'; readonly samples: readonly Packed[]; readonly stacks: boolean }
  | { readonly kind: 'run'; readonly plan: RunPlan }
  | { readonly kind: 'stop' };

export interface Opened {
  readonly kind: 'opened';
  readonly inputs: readonly Port[];
  /** What answers: 'onnxruntime cpu, 1 x 2 threads', 'a server at host:port'. */
  readonly runtime: string;
  /** Samples a call that suit it, where it says so. */
  readonly batch: number | undefined;
  /** Calls at once that keep it busy, where it says so. */
  readonly concurrency: number | undefined;
}

/** CPU of the process that generates the load, during one run. */
export interface GeneratorCpu {
  readonly wallSeconds: number;
  /** Of its own thread, which sends, receives and keeps time. */
  readonly threadSeconds: number;
  /** Of the whole process: where the model runs in it, with the model. */
  readonly processSeconds: number;
  /** Share of the time that its event loop was not idle, 0 to 1. */
  readonly loopUtilization: number;
}

export type Answer =
  | Opened
  | { readonly kind: 'ready' }
  | { readonly kind: 'progress'; readonly queries: number }
  | { readonly kind: 'ran'; readonly ran: Ran; readonly cpu: GeneratorCpu }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly why: string; readonly hint?: string };
