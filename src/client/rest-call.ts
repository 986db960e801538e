import { fail, messageOf } from '../base/index.ts';
import type { CallScope } from './call-scope.ts';
import { errorOfAnswer } from './error-of-answer.ts';
import { Retryable } from './retry.ts';

export interface RestAnswer {
  readonly headers: Headers;
  readonly body: Uint8Array;
}

export interface RestBody {
  readonly bytes: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

/** Nothing has reached the server. */
const NOT_CONNECTED = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'UND_ERR_CONNECT_TIMEOUT'];

/** One request over HTTP; GET without a body, POST with one. Throws the reason of the scope, or errors that may be Retryable. */
export async function callRest(
  url: string,
  scope: CallScope,
  headers: Readonly<Record<string, string>>,
  sent?: RestBody,
): Promise<RestAnswer> {
  let response: Response;
  let body: Uint8Array;
  try {
    response = await fetch(url, {
      signal: scope.signal,
      headers: { ...headers, ...sent?.headers },
      // A redirect could carry the key to somebody else.
      redirect: 'error',
      ...(sent !== undefined && { method: 'POST', body: sent.bytes as Uint8Array<ArrayBuffer> }),
    });
    body = new Uint8Array(await response.arrayBuffer());
  } catch (cause) {
    if (scope.signal.aborted) throw scope.signal.reason;
    throw new Retryable(...brokenBy(url, cause));
  }
  if (response.ok) return { headers: response.headers, body };
  throw errorOfAnswer(
    url,
    response.status,
    response.headers,
    new TextDecoder().decode(body.subarray(0, 10_000)),
  );
}

function brokenBy(url: string, cause: unknown): ConstructorParameters<typeof Retryable> {
  const inner = cause instanceof Error && cause.cause !== undefined ? cause.cause : cause;
  const code = (inner as { code?: unknown } | null)?.code;
  const error = fail('REMOTE_FAILED', `${url}: ${messageOf(inner) || String(code)}`, { url }, cause);
  return [error, NOT_CONNECTED.includes(String(code)) ? 'refused' : 'broken'];
}
