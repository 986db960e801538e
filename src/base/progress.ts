/** Where long work says how far it is. Whoever draws it decides what to show; the work never knows a terminal. */
export interface Progress {
  /** Starts a stage of `total` steps (0: unknown), with a few words for a person. Stages may nest. */
  stage(label: string, total: number): ProgressStage;
}

export interface ProgressStage {
  /** `done` steps more are behind us; `note` says what is at hand. */
  advance(done?: number, note?: string): void;
  end(): void;
}

const stage: ProgressStage = { advance() {}, end() {} };

/** Says nothing. */
export const SILENT: Progress = { stage: () => stage };

/** Throws CANCELLED's cause if the signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  signal?.throwIfAborted();
}
