import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Whether certificates can be made here: by the openssl command. */
export const CAN_SIGN = spawnSync('openssl', ['version']).status === 0;

/** A signer of certificates in a folder of its own. */
export class Authority {
  readonly folder = mkdtempSync(join(tmpdir(), 'modicum-ca-'));
  readonly ca = join(this.folder, 'ca.pem');
  readonly #key = join(this.folder, 'ca.key');

  constructor(name = 'Test CA') {
    run(`req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2`, [
      ...['-keyout', this.#key, '-out', this.ca, '-subj', `/CN=${name}`],
      ...['-addext', 'basicConstraints=critical,CA:TRUE'],
    ]);
  }

  /** Signs a new key for a name; also good for 127.0.0.1. */
  sign(name: string): { readonly cert: string; readonly key: string } {
    const path = (end: string) => join(this.folder, `${name}.${end}`);
    run(`req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes`, [
      ...['-keyout', path('key'), '-out', path('csr'), '-subj', `/CN=${name}`],
    ]);
    writeFileSync(path('ext'), `subjectAltName=DNS:localhost,IP:127.0.0.1\n`);
    run(`x509 -req -days 2 -CAcreateserial`, [
      ...['-in', path('csr'), '-CA', this.ca, '-CAkey', this.#key, '-out', path('pem')],
      ...['-extfile', path('ext')],
    ]);
    return { cert: path('pem'), key: path('key') };
  }
}

function run(command: string, rest: readonly string[]): void {
  execFileSync('openssl', [...command.split(' '), ...rest], { stdio: 'pipe' });
}
