import type { IncomingMessage, ServerResponse } from 'node:http';

const MAY_SEND = [
  'content-type',
  'authorization',
  'x-api-key',
  'inference-header-content-length',
  'x-modicum-deadline-ms',
  'traceparent',
].join(', ');

/** Which pages of other origins may ask (CORS). None by default: then browsers keep all of them out. */
export class Origins {
  readonly #all: boolean;
  readonly #known: ReadonlySet<string>;

  constructor(origins: readonly string[] = []) {
    this.#all = origins.includes('*');
    this.#known = new Set(origins.map((origin) => origin.toLowerCase()));
  }

  /** Sets the headers for an origin that is let in. True where the request only asks whether it may ask: then it is answered. */
  meet({ method, headers }: IncomingMessage, response: ServerResponse): boolean {
    const { origin } = headers;
    if (this.#known.size === 0) return false;
    // Caches must not give the answer for one origin to another.
    if (!this.#all) response.setHeader('vary', 'origin');
    if (origin === undefined || !(this.#all || this.#known.has(origin.toLowerCase()))) return false;
    response.setHeader('access-control-allow-origin', this.#all ? '*' : origin);
    response.setHeader('access-control-expose-headers', '*');
    // Else the browser would still keep the answer from the page.
    response.setHeader('cross-origin-resource-policy', 'cross-origin');
    if (method !== 'OPTIONS' || headers['access-control-request-method'] === undefined) return false;
    response.setHeader('access-control-allow-methods', 'GET, POST');
    response.setHeader('access-control-allow-headers', MAY_SEND);
    response.setHeader('access-control-max-age', '600');
    response.writeHead(204).end();
    return true;
  }
}

/** Headers of every answer: nothing here is a page, nothing is to be kept, guessed at or framed. Pages set their own. */
export function protect(response: ServerResponse, secure: boolean): void {
  response.setHeader('x-content-type-options', 'nosniff');
  response.setHeader('cache-control', 'no-store');
  response.setHeader('cross-origin-resource-policy', 'same-origin');
  response.setHeader('content-security-policy', "default-src 'none'; frame-ancestors 'none'");
  response.setHeader('referrer-policy', 'no-referrer');
  if (secure) response.setHeader('strict-transport-security', 'max-age=31536000');
}
