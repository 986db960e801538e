import { ModicumError, messageOf } from '../base/index.ts';

/**
 * What became of a query. Only `ok` is an answer; all others count as later than any bound.
 * shed: the server said that it has too much to do (503, 429); timeout: no answer in time, by the server's word or by the generator's
 * clock; refused: the request was wrong (4xx); failed: the server or the runtime failed (5xx); connection: the connection broke or was
 * not made; not-sent: the generator already had as many queries outstanding as it may; cancelled: still outstanding when the run was
 * stopped, in no figure.
 */
export const OUTCOMES = [
  'ok',
  'shed',
  'timeout',
  'refused',
  'failed',
  'connection',
  'not-sent',
  'cancelled',
] as const;
export type Outcome = (typeof OUTCOMES)[number];

const BY_CODE: Readonly<Record<string, Outcome>> = {
  OVERLOADED: 'shed',
  KEY_LIMITED: 'shed',
  SERVER_CLOSING: 'shed',
  MODEL_NOT_READY: 'shed',
  DEADLINE_MISSED: 'timeout',
  REQUEST_TOO_SLOW: 'timeout',
  FEED_MISMATCH: 'refused',
  MODEL_UNKNOWN: 'refused',
  REQUEST_INVALID: 'refused',
  REQUEST_TOO_LARGE: 'refused',
  KEY_REFUSED: 'refused',
};

/** Which outcome a thrown value is. */
export function outcomeOf(thrown: unknown): Exclude<Outcome, 'ok' | 'not-sent' | 'cancelled'> {
  const error = thrown as ModicumError;
  const known = thrown instanceof ModicumError ? BY_CODE[error.code] : undefined;
  if (known !== undefined) return known as 'shed';
  const status = statusOf(thrown);
  if (status === 503 || status === 429) return 'shed';
  if (status === 504 || status === 408) return 'timeout';
  if (status !== undefined) return status >= 500 ? 'failed' : 'refused';
  return thrown instanceof ModicumError && error.code === 'REMOTE_FAILED' ? 'connection' : 'failed';
}

/** The HTTP status that an error of a remote session tells. */
function statusOf(thrown: unknown): number | undefined {
  if (!(thrown instanceof ModicumError)) return undefined;
  if (typeof thrown.data.status === 'number') return thrown.data.status;
  const found = /\banswered (\d{3})\b/.exec(messageOf(thrown));
  return found === null ? undefined : Number(found[1]);
}
