import { isIP } from 'node:net';
import { fail } from '../../base/index.ts';

/** What keeps strangers out. */
export interface Guards {
  /** There are API keys. */
  readonly keys: boolean;
  /** Clients must show a certificate. */
  readonly mutualTls: boolean;
  /** Said in so many words: whoever reaches the server may ask it. */
  readonly open: boolean;
}

/** Addresses that only this machine reaches. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, '$1').toLowerCase();
  if (bare === 'localhost') return true;
  const mapped = bare.replace(/^::ffff:/, '');
  if (isIP(mapped) === 4) return mapped.startsWith('127.');
  return bare === '::1' || bare === '0:0:0:0:0:0:0:1';
}

/** Throws SERVER_CONFIG_INVALID where a server would answer to a whole network and nobody has said who may ask. */
export function assertMayListen(host: string, { keys, mutualTls, open }: Guards): void {
  if (isLoopback(host) || keys || mutualTls || open) return;
  throw fail('SERVER_CONFIG_INVALID', `${host} can be reached from other machines, and anybody could ask`, {
    host,
    hint: 'Give it API keys or mutual TLS, or say that all may ask (--open); or listen on 127.0.0.1.',
  });
}
