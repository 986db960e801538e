import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { fail, messageOf } from '../../base/index.ts';

/** Where certificates lie. All are PEM files. */
export interface TlsOptions {
  /** Certificate of the server, with those between it and the root after it. */
  readonly cert: string;
  /** Its private key. */
  readonly key: string;
  /** Certificates of those who sign clients: with it, clients must show a certificate that one of them signed (mutual TLS). */
  readonly clientCa?: string;
  /** ms between looks at the files, so that renewed certificates are taken without a restart. Default: 10 s. */
  readonly lookEveryMs?: number;
}

/** What was read of the files, proven to belong together. */
export interface Certificate {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca: Buffer | undefined;
}

/** Certificates that follow their files. */
export class Certificates {
  readonly mutual: boolean;
  readonly #options: TlsOptions;
  readonly #told: (problem: string) => void;
  readonly #listeners = new Set<(certificate: Certificate) => void>();
  #current: Certificate;
  #digest: string;
  #timer: NodeJS.Timeout;
  #said = '';

  private constructor(options: TlsOptions, first: Certificate, told: (problem: string) => void) {
    this.mutual = options.clientCa !== undefined;
    this.#options = options;
    this.#told = told;
    this.#current = first;
    this.#digest = digestOf(first);
    this.#timer = setInterval(() => void this.look(), options.lookEveryMs ?? 10_000).unref();
  }

  /** Reads the files. `told`: hears why a later change was not taken. Throws SERVER_CONFIG_INVALID. */
  static async open(options: TlsOptions, told: (problem: string) => void = () => {}): Promise<Certificates> {
    return new Certificates(options, await read(options), told);
  }

  get current(): Certificate {
    return this.#current;
  }

  /** Calls back at every change; the answer ends that. */
  onChange(listener: (certificate: Certificate) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Looks at the files now. Files that do not belong together (they may be half written) leave all as it was. */
  async look(): Promise<void> {
    let found: Certificate;
    try {
      found = await read(this.#options);
    } catch (error) {
      const why = messageOf(error);
      if (why !== this.#said) this.#told(why);
      this.#said = why;
      return;
    }
    this.#said = '';
    const digest = digestOf(found);
    if (digest === this.#digest) return;
    this.#digest = digest;
    this.#current = found;
    for (const listener of this.#listeners) listener(found);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#listeners.clear();
  }
}

async function read({ cert, key, clientCa }: TlsOptions): Promise<Certificate> {
  const [certBytes, keyBytes, caBytes] = await Promise.all([
    readPem(cert, 'certificate'),
    readPem(key, 'private key'),
    clientCa === undefined ? undefined : readPem(clientCa, 'certificate of the signer of clients'),
  ]);
  const found = { cert: certBytes, key: keyBytes, ca: caBytes };
  try {
    createSecureContext(found);
  } catch (cause) {
    throw fail('SERVER_CONFIG_INVALID', `certificate and key do not work together: ${messageOf(cause)}`);
  }
  return found;
}

async function readPem(path: string, what: string): Promise<Buffer> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw fail('SERVER_CONFIG_INVALID', `the ${what} ${path} cannot be read`, { path }, cause);
  }
  if (!bytes.includes('-----BEGIN '))
    throw fail('SERVER_CONFIG_INVALID', `the ${what} ${path} is no PEM file`);
  return bytes;
}

function digestOf({ cert, key, ca }: Certificate): string {
  const hash = createHash('sha256');
  for (const part of [cert, key, ca]) hash.update(`${part?.byteLength} `).update(part ?? '');
  return hash.digest('hex');
}
