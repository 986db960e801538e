import { request } from 'node:http';
import { connect, type Socket } from 'node:net';

export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface Asking {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** One request by node:http, on a connection of its own. */
export function ask(
  port: number,
  path: string,
  { method, headers = {}, body }: Asking = {},
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        ...{ host: '127.0.0.1', port, path, agent: false },
        method: method ?? (body === undefined ? 'GET' : 'POST'),
        headers: {
          ...(body !== undefined &&
            !('transfer-encoding' in headers) && { 'content-length': Buffer.byteLength(body) }),
          ...headers,
        },
      },
      (answer) => {
        const parts: Buffer[] = [];
        answer.on('data', (part) => parts.push(part));
        answer.on('error', reject);
        answer.on('end', () =>
          resolve({
            status: answer.statusCode!,
            headers: answer.headers as Record<string, string>,
            body: Buffer.concat(parts),
          }),
        );
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

/** The JSON of an answer. */
export function jsonOf({ body }: RawAnswer): Record<string, unknown> & { error?: string; code?: string } {
  return JSON.parse(body.toString('utf8'));
}

/** POST of JSON. */
export function post(port: number, path: string, json: unknown, headers: Record<string, string> = {}) {
  const body = typeof json === 'string' ? json : JSON.stringify(json);
  return ask(port, path, { body, headers: { 'content-type': 'application/json', ...headers } });
}

/** A binary request: JSON, and behind it the bytes. */
export function binary(
  json: unknown,
  ...tensors: Uint8Array[]
): { headers: Record<string, string>; body: Buffer } {
  const head = Buffer.from(JSON.stringify(json));
  return {
    headers: {
      'content-type': 'application/octet-stream',
      'inference-header-content-length': String(head.byteLength),
    },
    body: Buffer.concat([head, ...tensors]),
  };
}

/** A bare connection, for what no HTTP client would send. */
export class Wire {
  readonly socket: Socket;
  #received = '';
  readonly #closed: Promise<void>;

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('data', (data) => {
      this.#received += data.toString('latin1');
    });
    this.socket.on('error', () => {});
    this.#closed = new Promise((resolve) => this.socket.once('close', () => resolve()));
  }

  send(text: string | Uint8Array): void {
    this.socket.write(text);
  }

  /** All that has come. */
  get received(): string {
    return this.#received;
  }

  /** Resolves when the other side has closed. */
  async closed(): Promise<string> {
    await this.#closed;
    return this.#received;
  }

  /** Resolves when what has come holds this. */
  async until(pattern: RegExp): Promise<string> {
    while (!pattern.test(this.#received)) {
      if (this.socket.destroyed)
        throw new Error(`closed after ${JSON.stringify(this.#received.slice(0, 500))}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return this.#received;
  }
}

/** Waits until something holds, 10 s at most. */
export async function eventually(holds: () => boolean, what: string): Promise<void> {
  for (const end = Date.now() + 10_000; !holds(); ) {
    if (Date.now() > end) throw new Error(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
