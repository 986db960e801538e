import { CATALOGUE, type ErrorCode, fail } from '../base/index.ts';
import { Retryable } from './retry.ts';

const CODE_OF_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: 'REQUEST_INVALID',
  401: 'KEY_REFUSED',
  403: 'KEY_REFUSED',
  404: 'MODEL_UNKNOWN',
  408: 'REQUEST_TOO_SLOW',
  413: 'REQUEST_TOO_LARGE',
  429: 'KEY_LIMITED',
  503: 'OVERLOADED',
  504: 'DEADLINE_MISSED',
};

/** Statuses that say that the server has not begun and that it may be different soon. */
const REFUSED = [429, 503];

/** A code that a Modicum server names, if it is one of ours. */
export function knownCode(code: unknown): ErrorCode | undefined {
  return typeof code === 'string' && Object.hasOwn(CATALOGUE, code) ? (code as ErrorCode) : undefined;
}

/** The error of an answer that is none: what the server wrote, under the code that it named, else that of the status. */
export function errorOfAnswer(
  url: string,
  status: number,
  headers: { get(name: string): string | null },
  body: string,
): Error {
  const { why, code } = readErrorBody(body);
  const waitMs = retryAfterMs(headers);
  const own = code ?? CODE_OF_STATUS[status] ?? 'REMOTE_FAILED';
  const error = fail(own, `${url} answered ${status}: ${whyOf(own, why)}`, {
    url,
    status,
    ...(waitMs !== undefined && { retryAfterMs: waitMs }),
  });
  return REFUSED.includes(status) ? new Retryable(error, 'refused', waitMs) : error;
}

/** The particulars of a message: what the code says anyway is not said twice. */
export function whyOf(code: ErrorCode, message: string): string {
  const what = `${CATALOGUE[code].what}: `;
  return message.startsWith(what) ? message.slice(what.length) : message;
}

function readErrorBody(body: string): { why: string; code?: ErrorCode } {
  try {
    const { error, code } = JSON.parse(body);
    if (typeof error === 'string') return { why: error.slice(0, 2000), code: knownCode(code) };
  } catch {
    // Not the JSON of the protocol: a proxy, say. Its text is told as it is.
  }
  return { why: body.slice(0, 200).trim() || 'nothing more' };
}

/** Retry-After (seconds or a date), or the finer retry-after-ms. */
export function retryAfterMs(headers: { get(name: string): string | null }): number | undefined {
  const ms = Number(headers.get('retry-after-ms') ?? Number.NaN);
  if (Number.isFinite(ms) && ms >= 0) return ms;
  const text = headers.get('retry-after');
  if (text === null || text === '') return undefined;
  const seconds = Number(text);
  if (Number.isFinite(seconds)) return seconds >= 0 ? seconds * 1000 : undefined;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}
