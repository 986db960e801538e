import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { fail, messageOf } from '../../base/index.ts';

/**
 * A key is `mdc_ID_SECRET`: ID (12 hexadecimal digits) finds its record, SECRET (32 random bytes, base64url) proves it. A secret of
 * 256 random bits cannot be guessed, so one salted SHA-256 keeps it: a slow hash would only slow the server.
 */
const FORM = /^mdc_([0-9a-f]{12})_([A-Za-z0-9_-]{43})$/;

const record = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{12}$/),
  /** Who it is, in metrics and bills. */
  name: z.string().min(1).max(100),
  salt: z.string().regex(/^[0-9a-f]{32}$/),
  /** SHA-256 of salt and secret. */
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  /** At most this many requests a second on average. */
  requestsPerSecond: z.number().positive().optional(),
  /** Requests at once before the rate holds. Default: what comes in a second. */
  burst: z.number().min(1).optional(),
  /** At most this many samples a second on average. */
  samplesPerSecond: z.number().positive().optional(),
  /** At most this many requests under way. */
  concurrent: z.int().min(1).optional(),
  /** When it ends, as an ISO date. */
  expires: z.iso.datetime({ offset: true }).or(z.iso.date()).optional(),
});

const file = z.strictObject({ keys: z.array(record) });

/** What is kept of a key: nothing that would let its reader ask. */
export type KeyRecord = Readonly<z.infer<typeof record>>;

/** What a key may be limited to. */
export type KeyLimits = Partial<
  Pick<KeyRecord, 'requestsPerSecond' | 'burst' | 'samplesPerSecond' | 'concurrent' | 'expires'>
>;

function hashOf(salt: string, secret: string): Buffer {
  return createHash('sha256').update(Buffer.from(salt, 'hex')).update(secret).digest();
}

/** A new key, to be shown once, and the record that the server keeps. */
export function makeKey(name: string, limits: KeyLimits = {}): { key: string; record: KeyRecord } {
  const id = randomBytes(6).toString('hex');
  const secret = randomBytes(32).toString('base64url');
  const salt = randomBytes(16).toString('hex');
  const made = { id, name, salt, hash: hashOf(salt, secret).toString('hex'), ...limits };
  return { key: `mdc_${id}_${secret}`, record: checked(record.safeParse(made), 'the key') };
}

/** The records of a key file: `{"keys": [record, ...]}`. Throws SERVER_CONFIG_INVALID; the message holds no part of a key. */
export function readKeys(text: string): readonly KeyRecord[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw fail('SERVER_CONFIG_INVALID', `the key file is no JSON: ${messageOf(cause).slice(0, 40)}`);
  }
  const { keys } = checked(file.safeParse(parsed), 'the key file');
  const twice = keys.find(({ id }, i) => keys.findIndex((other) => other.id === id) !== i);
  if (twice !== undefined) throw fail('SERVER_CONFIG_INVALID', `the key id ${twice.id} is there twice`);
  return keys;
}

/** The text of a key file. */
export function writeKeys(keys: readonly KeyRecord[]): string {
  return `${JSON.stringify({ keys }, undefined, 2)}\n`;
}

function checked<T>(result: z.ZodSafeParseResult<T>, what: string): T {
  if (result.success) return result.data;
  const { path, message } = result.error.issues[0]!;
  throw fail(
    'SERVER_CONFIG_INVALID',
    `${what}${path.length > 0 ? `, at ${path.join('.')}` : ''}: ${message}`,
  );
}

/** The two parts of a key, or undefined where it has not the form of one. */
export function partsOfKey(key: string): { readonly id: string; readonly secret: string } | undefined {
  const [, id, secret] = FORM.exec(key) ?? [];
  return id === undefined || secret === undefined ? undefined : { id, secret };
}

/** Stands in for the record of an id that is not known, so that the answer takes as long. */
const NOBODY = { salt: randomBytes(16).toString('hex'), hash: randomBytes(32).toString('hex') };

/** Whether the secret is that of the record; takes the same time with or without a record, wherever the secret differs. */
export function proves(secret: string, of: KeyRecord | undefined): boolean {
  const { salt, hash } = of ?? NOBODY;
  return timingSafeEqual(hashOf(salt, secret), Buffer.from(hash, 'hex')) && of !== undefined;
}
