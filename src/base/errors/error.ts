import { CATALOGUE, type ErrorCode } from './catalogue.ts';

/** The only error class that Modicum throws on purpose: a stable code, what happened, why, and what to do. */
export class ModicumError extends Error {
  readonly code: ErrorCode;
  /** What the user can do about it. */
  readonly hint: string;
  /** 1: the goal was not met; 2: usage, input or environment. */
  readonly exitCode: 1 | 2;
  /** Facts for programs: file names, offsets, shapes. */
  readonly data: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, why: string, data: Record<string, unknown> = {}, cause?: unknown) {
    const row = CATALOGUE[code];
    super(`${row.what}: ${why}`, cause === undefined ? undefined : { cause });
    this.name = 'ModicumError';
    this.code = code;
    this.hint = typeof data.hint === 'string' ? data.hint : row.hint;
    this.exitCode = row.exit;
    this.data = data;
  }
}

/**
 * Makes the error of a catalogue row. `why` says what was seen, in one clause; `data.hint` replaces the row's hint.
 * Use as `throw fail('MODEL_TRUNCATED', ...)`, so that the compiler sees the end of the path.
 */
export function fail(
  code: ErrorCode,
  why: string,
  data?: Record<string, unknown>,
  cause?: unknown,
): ModicumError {
  return new ModicumError(code, why, data, cause);
}

/** The message of anything thrown, on one line. */
export function messageOf(thrown: unknown): string {
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return text.replace(/\s+/g, ' ').trim();
}
