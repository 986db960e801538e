import { fail, messageOf } from '../base/index.ts';
import type { CallScope } from './call-scope.ts';
import { errorOfAnswer } from './error-of-answer.ts';
import { Retryable } from './retry.ts';

export interface RestAnswer {
  readonly headers: { get(name: string): string | null };
  readonly body: Uint8Array;
}

export interface RestBody {
  readonly bytes: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * How requests travel: GET without bytes, POST with them. Rejects where no answer came, with the `code` of the system (ECONNREFUSED) on the
 * error or its cause; follows no redirect, which could carry the key to somebody else.
 */
export type Transport = (request: {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Uint8Array | undefined;
  readonly signal: AbortSignal;
}) => Promise<RestAnswer & { readonly status: number }>;

/** Wherever there is fetch: browsers, Node, Deno, workers. */
export const fetchTransport: Transport = async ({ url, headers, bytes, signal }) => {
  const response = await fetch(url, {
    signal,
    headers,
    redirect: 'error',
    ...(bytes !== undefined && { method: 'POST', body: bytes as Uint8Array<ArrayBuffer> }),
  });
  const body = new Uint8Array(await response.arrayBuffer());
  return { status: response.status, headers: response.headers, body };
};

/** Nothing has reached the server. */
const NOT_CONNECTED = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'UND_ERR_CONNECT_TIMEOUT'];

/** One request over HTTP. Throws the reason of the scope, or errors that may be Retryable. */
export async function callRest(
  transport: Transport,
  url: string,
  scope: CallScope,
  headers: Readonly<Record<string, string>>,
  sent?: RestBody,
): Promise<RestAnswer> {
  let answer: Awaited<ReturnType<Transport>>;
  try {
    answer = await transport({
      url,
      headers: { ...headers, ...sent?.headers },
      bytes: sent?.bytes,
      signal: scope.signal,
    });
  } catch (cause) {
    if (scope.signal.aborted) throw scope.signal.reason;
    throw new Retryable(...brokenBy(url, cause));
  }
  const { status, body } = answer;
  if (status >= 200 && status < 300) return answer;
  throw errorOfAnswer(url, status, answer.headers, new TextDecoder().decode(body.subarray(0, 10_000)));
}

function brokenBy(url: string, cause: unknown): ConstructorParameters<typeof Retryable> {
  const inner = cause instanceof Error && cause.cause !== undefined ? cause.cause : cause;
  const code = (inner as { code?: unknown } | null)?.code;
  const error = fail('REMOTE_FAILED', `${url}: ${messageOf(inner) || String(code)}`, { url }, cause);
  return [error, NOT_CONNECTED.includes(String(code)) ? 'refused' : 'broken'];
}
