import assert from 'node:assert/strict';
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Authority, CAN_SIGN } from '../../../test/serve/certificates.ts';
import { Certificates } from './certificates.ts';

const skip = CAN_SIGN ? false : 'skipped: no openssl command to make certificates with';

test('certificates follow their files, and keep what works when those do not', { skip }, async () => {
  const authority = new Authority();
  const [first, second] = [authority.sign('first'), authority.sign('second')];
  const place = { cert: join(authority.folder, 'live.pem'), key: join(authority.folder, 'live.key') };
  copyFileSync(first.cert, place.cert);
  copyFileSync(first.key, place.key);
  const problems: string[] = [];
  const certificates = await Certificates.open(place, (problem) => problems.push(problem));
  try {
    assert.equal(certificates.mutual, false);
    const before = certificates.current;
    const seen: unknown[] = [];
    const stop = certificates.onChange((now) => seen.push(now));
    await certificates.look();
    assert.deepEqual(seen, []);
    copyFileSync(second.cert, place.cert);
    await certificates.look();
    await certificates.look();
    assert.equal(certificates.current, before);
    assert.equal(problems.length, 1, problems.join('; '));
    copyFileSync(second.key, place.key);
    await certificates.look();
    assert.deepEqual(seen, [certificates.current]);
    assert.notDeepEqual(certificates.current.cert, before.cert);
    stop();
    copyFileSync(first.cert, place.cert);
    copyFileSync(first.key, place.key);
    await certificates.look();
    assert.equal(seen.length, 1);
  } finally {
    certificates.close();
  }
});

test('files that are none are refused at the start', { skip }, async () => {
  const authority = new Authority();
  const { cert, key } = authority.sign('server');
  const text = join(authority.folder, 'text');
  writeFileSync(text, 'no certificate');
  const refused = (options: Parameters<typeof Certificates.open>[0], message: RegExp) =>
    assert.rejects(Certificates.open(options), { code: 'SERVER_CONFIG_INVALID', message });
  await refused({ cert: `${cert}x`, key }, /cannot be read/);
  await refused({ cert: text, key }, /no PEM file/);
  await refused({ cert, key: authority.sign('other').key }, /do not work together/);
  await refused({ cert, key, clientCa: text }, /signer of clients/);
});
