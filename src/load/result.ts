import type { GeneratorCpu } from './messages.ts';
import type { Outcome } from './outcome.ts';

/** MLPerf's scenarios. */
export const SCENARIOS = ['single-stream', 'multi-stream', 'server', 'offline'] as const;
export type Scenario = (typeof SCENARIOS)[number];

/** A figure with its interval, if it has one. `null` is a time without end: so many queries were not answered. */
export interface LoadFigure {
  readonly value: number | null;
  readonly low?: number | null;
  readonly high?: number | null;
}

/** Latencies from the scheduled time, ms. */
export interface LatencyFigures {
  readonly mean: LoadFigure;
  readonly p50: LoadFigure;
  readonly p90: LoadFigure;
  readonly p95: LoadFigure;
  readonly p99: LoadFigure;
  readonly p999: LoadFigure;
  readonly max: LoadFigure;
}

/** A stretch of the run. Queries belong to where they were scheduled, answers to where they came. */
export interface LoadWindow {
  /** Seconds since the measured part began. */
  readonly at: number;
  readonly seconds: number;
  readonly scheduled: number;
  /** Samples answered, per second. */
  readonly throughput: number;
  /** Of queries scheduled here that were not answered. */
  readonly failed: number;
  /** ms; null where no query of the window was answered. */
  readonly p50: number | null;
  readonly p99: number | null;
}

/** Whether a latency bound was kept. */
export interface BoundCheck {
  readonly ms: number;
  /** The share of queries that must lie within it. */
  readonly percentile: number;
  /** Queries above it, those not answered among them. */
  readonly over: number;
  /** The most that early stopping allows for so many queries; undefined where they are too few to show anything. */
  readonly allowed: number | undefined;
  /** Queries that are needed to show it with so many above. */
  readonly needed: number;
  readonly met: boolean;
}

/** One point of a load curve. */
export interface LoadPoint {
  /** Queries per second that were scheduled. */
  readonly rate: number;
  readonly seconds: number;
  readonly queries: number;
  /** Answered samples per second, and those of them whose queries were within the bound. */
  readonly throughput: number;
  readonly goodput: number;
  readonly p50: number | null;
  readonly p99: number | null;
  readonly shed: number;
  readonly failed: number;
  readonly over: number;
  /** The bound was kept, by the plain share (`probe`) or by early stopping (`confirmation`). */
  readonly met: boolean | undefined;
  /** Given up before its time: it could only fail. Its figures are of a queue that still grew. */
  readonly hopeless: boolean;
  readonly purpose: 'probe' | 'confirmation' | 'asked for';
}

/** The highest load that keeps a bound. */
export interface FoundRate {
  /** Queries per second; undefined where even the lowest tried breaks the bound. */
  readonly rate: number | undefined;
  /** A rate above it that broke the bound; undefined where none did. */
  readonly broken: number | undefined;
  /** A longer run with another seed kept the bound by early stopping. */
  readonly confirmed: boolean;
  readonly why: string;
}

/** All that one `modicum bench` has to say; plain JSON. */
export interface LoadResult {
  readonly target: string;
  /** What answers. */
  readonly runtime: string;
  /** What was sent. */
  readonly data: string;
  readonly scenario: Scenario;
  readonly mode: 'short' | 'strict';
  /** By MLPerf's rules for the scenario; with why not. (No more is said: a result is MLPerf's only when they have reviewed it.) */
  readonly rules: { readonly kept: boolean; readonly broken: readonly string[] };
  /** It was stopped before its end. */
  readonly partial: boolean;
  readonly seed: number;
  readonly arrivals?: string;
  readonly warmUp: { readonly seconds: number; readonly queries: number };
  /** Seconds that were measured. */
  readonly seconds: number;
  readonly queries: number;
  readonly samples: number;
  readonly samplesPerQuery: number;
  /** Queries per second that were scheduled. */
  readonly offered?: number;
  /** The figure of the scenario. */
  readonly metric: {
    readonly name: string;
    readonly value: number | null | undefined;
    readonly unit: string;
    readonly how: string;
  };
  readonly outcomes: Readonly<Record<Outcome, number>>;
  /** The first message of every kind of failure. */
  readonly said: Readonly<Partial<Record<Outcome, string>>>;
  /** Of all queries; those not answered count as endless. Absent in offline. */
  readonly latency?: LatencyFigures;
  /** Of the answered ones alone, where some were not. */
  readonly answeredLatency?: LatencyFigures;
  readonly bound?: BoundCheck;
  /** Answered samples per second. */
  readonly throughput: LoadFigure;
  /** Answered within the bound, samples per second. */
  readonly goodput?: number;
  readonly timeline: readonly LoadWindow[];
  /** Points of the distribution of latencies: ms, share of all queries at or below. */
  readonly cdf: readonly (readonly [number, number])[];
  /** How late the generator itself sent, ms; it is part of the latencies. */
  readonly lateness?: { readonly p50: number; readonly p99: number; readonly max: number };
  readonly generator: GeneratorCpu;
  /** Rates that were tried. */
  readonly curve?: readonly LoadPoint[];
  readonly found?: FoundRate;
  /** What to know before believing the figures. */
  readonly warnings: readonly string[];
  readonly notes: readonly string[];
  /** Name and value of what describes the machine of the generator. */
  readonly machine: readonly (readonly [string, string])[];
  readonly at: string;
  readonly version: string;
}
