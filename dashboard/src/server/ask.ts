import { readKey } from './key.ts';

/** The server's own address: the dashboard lies one folder below it, wherever a proxy puts both. */
export const SERVER = new URL('../', document.baseURI);

/** What the server answered instead of what was asked for. */
export class Refused extends Error {
  readonly status: number;
  /** ms to wait, where the server says so. */
  readonly retryAfterMs: number | undefined;

  constructor(status: number, message: string, retryAfterMs?: number) {
    super(message);
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Asks the server for a path relative to its root, with the key of this tab. Throws Refused; TypeError where it is not reached. */
export async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  const key = readKey();
  if (key !== undefined) headers.set('authorization', `Bearer ${key}`);
  const response = await fetch(new URL(path, SERVER), { ...init, headers, cache: 'no-store' });
  if (response.ok) return response;
  throw await refusalOf(response);
}

export async function askJson<T>(path: string, init?: RequestInit): Promise<T> {
  const response = await ask(path, init);
  return (await response.json()) as T;
}

async function refusalOf(response: Response): Promise<Refused> {
  const text = await response.text().catch(() => '');
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
  const wait = Number.isFinite(seconds) ? seconds * 1000 : undefined;
  return new Refused(response.status, messageIn(text) ?? `HTTP ${response.status}`, wait);
}

function messageIn(text: string): string | undefined {
  try {
    const { error } = JSON.parse(text) as { error?: unknown };
    return typeof error === 'string' ? error : undefined;
  } catch {
    return undefined;
  }
}
