import { Agent, type IncomingHttpHeaders, request as requestHttp } from 'node:http';
import { request as requestHttps, Agent as SecureAgent } from 'node:https';
import type { Transport } from '../client/index.ts';

/**
 * Requests by node:http, on connections of its own that are kept: half of the processor time of fetch, which a generator of load on the
 * same machine takes from the server, and would tell as its latency.
 */
export function httpTransport(url: string): { readonly transport: Transport; close(): void } {
  const secure = url.startsWith('https:');
  const options = { keepAlive: true, maxFreeSockets: 1024 };
  const agent = secure ? new SecureAgent(options) : new Agent(options);
  const request = secure ? requestHttps : requestHttp;
  const transport: Transport = ({ url, headers, bytes, signal }) =>
    new Promise((resolve, reject) => {
      const length = bytes === undefined ? {} : { 'content-length': String(bytes.byteLength) };
      const method = bytes === undefined ? 'GET' : 'POST';
      const sending = request(
        url,
        { agent, method, signal, headers: { ...headers, ...length } },
        (answer) => {
          const chunks: Buffer[] = [];
          answer.on('data', (chunk: Buffer) => chunks.push(chunk));
          answer.on('error', reject);
          answer.on('end', () =>
            resolve({
              status: answer.statusCode ?? 0,
              headers: { get: (name) => headerOf(answer.headers, name) },
              body: whole(chunks),
            }),
          );
        },
      );
      sending.on('error', reject);
      sending.end(bytes);
    });
  return { transport, close: () => agent.destroy() };
}

function headerOf(headers: IncomingHttpHeaders, name: string): string | null {
  const value = headers[name.toLowerCase()];
  return value === undefined ? null : Array.isArray(value) ? value.join(', ') : value;
}

/** In memory of its own: tensors are read where they lie, which must not be the middle of a pool. */
function whole(chunks: readonly Buffer[]): Uint8Array {
  const body = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0));
  let at = 0;
  for (const chunk of chunks) {
    body.set(chunk, at);
    at += chunk.byteLength;
  }
  return body;
}
