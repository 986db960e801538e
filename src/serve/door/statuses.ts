import { type ErrorCode, ModicumError, messageOf } from '../../base/index.ts';

/** Status codes of gRPC that answers here have. */
export const GRPC = {
  OK: 0,
  CANCELLED: 1,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  RESOURCE_EXHAUSTED: 8,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const;

/** HTTP and gRPC status by error code; what is not here is the server's own fault. */
const STATUSES: Partial<Record<ErrorCode, readonly [http: number, grpc: number]>> = {
  REQUEST_INVALID: [400, GRPC.INVALID_ARGUMENT],
  FEED_MISMATCH: [400, GRPC.INVALID_ARGUMENT],
  SHAPE_MISMATCH: [400, GRPC.INVALID_ARGUMENT],
  KEY_REFUSED: [401, GRPC.UNAUTHENTICATED],
  MODEL_UNKNOWN: [404, GRPC.NOT_FOUND],
  REQUEST_TOO_SLOW: [408, GRPC.DEADLINE_EXCEEDED],
  REQUEST_TOO_LARGE: [413, GRPC.RESOURCE_EXHAUSTED],
  KEY_LIMITED: [429, GRPC.RESOURCE_EXHAUSTED],
  // Nobody reads it, but logs and metrics do: the number that proxies use for a client that has gone.
  CANCELLED: [499, GRPC.CANCELLED],
  OVERLOADED: [503, GRPC.UNAVAILABLE],
  MODEL_NOT_READY: [503, GRPC.UNAVAILABLE],
  SERVER_CLOSING: [503, GRPC.UNAVAILABLE],
  SESSION_CLOSED: [503, GRPC.UNAVAILABLE],
  DEADLINE_MISSED: [504, GRPC.DEADLINE_EXCEEDED],
};

/** How a failure is told to a client. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly http: number;
  readonly grpc: number;
  /** For people; no stack, no path of this machine. */
  readonly message: string;
  /** ms after which asking again may help. */
  readonly retryAfterMs?: number;
  /** Whether it is of our making, and should be looked at by who runs the server. */
  readonly ours: boolean;
}

/** Absolute paths, of files here or of where the runtime was built. */
const PATHS = /(?<![\w.:/])(?:[A-Za-z]:)?(?:[\\/][\w.@+-]+){2,}/g;

/** What anything thrown is to a client. `data.status` of a REQUEST_INVALID narrows its HTTP status (404, 405, 415). */
export function refusalOf(thrown: unknown): Refusal {
  if (!(thrown instanceof ModicumError)) {
    const message = 'Modicum itself failed: the log of the server says why';
    return { code: 'INTERNAL', http: 500, grpc: GRPC.INTERNAL, message, ours: true };
  }
  const { code, data } = thrown;
  const [http, grpc] = statusesOf(code, data) ?? [500, GRPC.INTERNAL];
  const retryAfterMs = retryOf(data.retryAfterMs, http);
  return {
    code,
    http: code === 'REQUEST_INVALID' && typeof data.status === 'number' ? data.status : http,
    grpc,
    // What we ask for is of our own making; what the runtime says may tell of its files.
    message: (http === 500 ? messageOf(thrown).replace(PATHS, '(path)') : messageOf(thrown)).slice(0, 2000),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ours: http === 500,
  };
}

/** Who is refused at once, because it would be late, is told when to come again; whose time is over is not. */
function statusesOf(code: ErrorCode, data: ModicumError['data']) {
  if (code === 'DEADLINE_MISSED' && data.retryAfterMs !== undefined) return STATUSES.OVERLOADED;
  return STATUSES[code];
}

function retryOf(given: unknown, status: number): number | undefined {
  if (typeof given === 'number' && Number.isFinite(given)) return Math.max(1, given);
  return status === 503 || status === 429 ? 1000 : undefined;
}
