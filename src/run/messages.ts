import type { ErrorCode } from '../base/index.ts';
import type { DType } from '../graph/index.ts';
import type { SessionSettings } from './settings.ts';

/** A tensor on its way between threads: strings, or bytes in a buffer of their own. */
export interface PackedTensor {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly content: ArrayBuffer | readonly string[];
}
export type Packed = Record<string, PackedTensor>;

/** The model as a worker gets it: bytes shared by all workers, or a file that ONNX Runtime opens itself. */
export type ModelSource =
  | { readonly kind: 'bytes'; readonly bytes: SharedArrayBuffer }
  | { readonly kind: 'path'; readonly path: string };

/** What opening can ask for beside the settings. */
export interface OpenExtras {
  /** Where ONNX Runtime writes the graph it will run. */
  readonly optimizedPath?: string;
  /** File name prefix of ONNX Runtime's own profile. */
  readonly profilePrefix?: string;
}

/** What a worker is asked. */
export type Request =
  | {
      readonly kind: 'open';
      readonly source: ModelSource;
      readonly settings: SessionSettings;
      readonly extras: OpenExtras;
    }
  | { readonly kind: 'run'; readonly feeds: Packed; readonly outputs: readonly string[] }
  | {
      readonly kind: 'loop';
      readonly feeds: readonly Packed[];
      readonly outputs: readonly string[];
      readonly seconds: number;
      readonly runs: number;
      /** Shared by all instances: see LOOP_*. */
      readonly control: SharedArrayBuffer;
      readonly parties: number;
    }
  | {
      readonly kind: 'keep';
      /** Input to the output that feeds it at the next step. */
      readonly carry: Readonly<Record<string, string>>;
      readonly initial: Packed;
      readonly guard: string | undefined;
    }
  | { readonly kind: 'step'; readonly feeds: Packed; readonly outputs: readonly string[] }
  | { readonly kind: 'kept'; readonly names: readonly string[] }
  | {
      readonly kind: 'host';
      /** The module that the worker loads: see hosted.ts. */
      readonly program: string;
      readonly sources: readonly ModelSource[];
      readonly argument: unknown;
    }
  | { readonly kind: 'call'; readonly request: unknown }
  | { readonly kind: 'endProfile' }
  | { readonly kind: 'release' };

/** Places in the Int32Array that the instances of a loop share. */
export const LOOP_ARRIVED = 0;
/** Runs handed out so far. */
export const LOOP_TAKEN = 1;
/** Not 0: stop after the run at hand. */
export const LOOP_STOP = 2;
export const LOOP_WORDS = 3;

export interface PortInfo {
  readonly name: string;
  /** Undefined where it is no tensor (a sequence, map or optional). */
  readonly tensor: { readonly dtype: DType; readonly shape: readonly (number | string | null)[] } | undefined;
}

export interface OpenReply {
  readonly inputs: readonly PortInfo[];
  readonly outputs: readonly PortInfo[];
}

export interface LoopReply {
  /** Milliseconds of each run, in order. */
  readonly latencies: Float64Array;
  /** When each run started, milliseconds on the process-wide monotonic clock. */
  readonly starts: Float64Array;
  /** Ends of the loop on that clock, and the CPU microseconds of the whole process at both. */
  readonly begin: number;
  readonly end: number;
  readonly cpuBegin: number;
  readonly cpuEnd: number;
}

/** What answers each kind of request. */
export interface Replies {
  open: OpenReply;
  run: Packed;
  loop: LoopReply;
  keep: undefined;
  step: Packed;
  kept: Packed;
  host: undefined;
  call: unknown;
  endProfile: undefined;
  release: undefined;
}

export interface Envelope {
  readonly id: number;
  readonly request: Request;
}

export type Answer =
  | { readonly id: number; readonly ok: true; readonly reply: Replies[keyof Replies] }
  | {
      readonly id: number;
      readonly ok: false;
      readonly message: string;
      /** Of an error of ours; absent for what the runtime said. */
      readonly code?: ErrorCode;
    };
