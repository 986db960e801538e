import type { IncomingMessage, ServerResponse } from 'node:http';
import { fail, ModicumError } from '../../base/index.ts';
import { type Refusal, refusalOf } from '../door/statuses.ts';
import type { Observer } from '../ports.ts';
import { letGo } from './linger.ts';

/** The body of every answer that is no success: `error` as the protocol has it, `code` from docs/errors.md. */
export function bodyOf({ message, code }: Refusal): string {
  return JSON.stringify({ error: message, code });
}

/** What Fastify throws by itself, in our words. */
export function inOurWords(thrown: unknown, limits: { readonly bodyBytes: number }): unknown {
  if (thrown instanceof ModicumError || !(thrown instanceof Error)) return thrown;
  const { statusCode, code } = thrown as Error & { statusCode?: unknown; code?: unknown };
  if (typeof code !== 'string' || !code.startsWith('FST_') || typeof statusCode !== 'number') return thrown;
  if (statusCode < 400 || statusCode > 499) return thrown;
  if (statusCode === 413)
    return fail('REQUEST_TOO_LARGE', `its body may have ${limits.bodyBytes} bytes here`);
  return fail('REQUEST_INVALID', thrown.message, { status: statusCode });
}

/** Headers that go with a refusal. */
export function headersOf({ http, retryAfterMs }: Refusal): Record<string, string> {
  return {
    'content-type': 'application/json; charset=utf-8',
    ...(http === 401 && { 'www-authenticate': 'Bearer' }),
    ...(retryAfterMs !== undefined && {
      'retry-after': String(Math.ceil(retryAfterMs / 1000)),
      // Seconds are long where milliseconds are the matter.
      'retry-after-ms': String(Math.ceil(retryAfterMs)),
    }),
  };
}

/** Answers a request with a refusal; answers how many bytes. */
export function refuse(request: IncomingMessage, response: ServerResponse, refusal: Refusal): number {
  if (response.headersSent || response.destroyed) {
    // Half an answer cannot be taken back: cut, so that nobody takes it for a whole one.
    response.destroy();
    return 0;
  }
  const body = Buffer.from(bodyOf(refusal));
  letGo(request, response);
  response.writeHead(refusal.http, { ...headersOf(refusal), 'content-length': String(body.byteLength) });
  response.end(body);
  return body.byteLength;
}

/** What a failure is to the client; where it is ours, it is told to who runs the server. */
export function judge(thrown: unknown, observer: Observer, where: string): Refusal {
  const refusal = refusalOf(thrown);
  if (refusal.ours) observer.event('request-failed', { where, code: refusal.code, error: thrown });
  return refusal;
}
