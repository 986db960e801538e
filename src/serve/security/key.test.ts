import assert from 'node:assert/strict';
import { test } from 'node:test';
import { credentialOf } from './credential.ts';
import { makeKey, partsOfKey, proves, readKeys, writeKeys } from './key.ts';
import { KeyRing } from './key-ring.ts';

const DATE = Date.parse('2030-01-01T00:00:00Z');

test('a key is made, kept as a hash only, read back and recognized', () => {
  const { key, record } = makeKey('ann', { requestsPerSecond: 5 });
  const text = writeKeys([record]);
  const { secret } = partsOfKey(key)!;
  assert.ok(!text.includes(secret));
  const ring = new KeyRing(readKeys(text), 0);
  assert.equal(ring.enter(key, 0, DATE).name, 'ann');
  const { key: other } = makeKey('ben');
  assert.throws(() => ring.enter(other, 0, DATE), { code: 'KEY_REFUSED' });
  assert.throws(() => ring.enter(undefined, 0, DATE), { code: 'KEY_REFUSED' });
});

test('a wrong secret, a wrong form and a foreign id are refused in the same words', () => {
  const { key, record } = makeKey('ann');
  const ring = new KeyRing([record], 0);
  const wrong = [
    `${key.slice(0, -1)}${key.endsWith('A') ? 'B' : 'A'}`,
    key.replace(record.id, 'ffffffffffff'),
    `${key}x`,
    '',
    'mdc_',
    `mdc_${record.id}_`,
    '\0',
    'x'.repeat(100_000),
    record.hash,
  ];
  const words = new Set(
    wrong.map((one) => {
      try {
        ring.enter(one, 0, DATE);
      } catch (error) {
        return (error as Error).message;
      }
      return assert.fail(one);
    }),
  );
  assert.equal(words.size, 1);
});

test('proof is the hash of this very record', () => {
  const [ann, ben] = [makeKey('ann'), makeKey('ben')];
  const secret = partsOfKey(ann.key)!.secret;
  assert.equal(proves(secret, ann.record), true);
  assert.equal(proves(secret, ben.record), false);
  assert.equal(proves(secret, undefined), false);
  assert.equal(proves(secret, { ...ann.record, salt: ben.record.salt }), false);
});

test('limits: requests a second, samples a second, at once, until a date', () => {
  const limits = { requestsPerSecond: 2, samplesPerSecond: 10, concurrent: 3, expires: '2030-01-02' };
  const { key, record } = makeKey('ann', limits);
  const ring = new KeyRing([record], 0);
  const first = ring.enter(key, 0, DATE);
  first.charge(10, 0);
  assert.throws(() => first.charge(1, 0), { code: 'KEY_LIMITED', message: /10 samples a second/ });
  first.charge(1, 100);
  ring.enter(key, 0, DATE);
  assert.throws(
    () => ring.enter(key, 0, DATE),
    (error: { code: string; data: { retryAfterMs: number } }) =>
      error.code === 'KEY_LIMITED' && error.data.retryAfterMs === 500,
  );
  ring.enter(key, 5000, DATE);
  assert.throws(() => ring.enter(key, 9000, DATE), {
    code: 'KEY_LIMITED',
    message: /3 requests are under way/,
  });
  first.leave();
  first.leave();
  ring.enter(key, 9000, DATE).leave();
  assert.throws(() => ring.enter(key, 20_000, Date.parse('2030-01-02')), {
    code: 'KEY_REFUSED',
    message: /it ended on/,
  });
});

test('records that are replaced keep what is used, and what is under way', () => {
  const { key, record } = makeKey('ann', { requestsPerSecond: 1, concurrent: 1 });
  const ring = new KeyRing([record], 0);
  const use = ring.enter(key, 0, DATE);
  ring.replace([{ ...record, name: 'anna' }], 0);
  assert.throws(() => ring.enter(key, 5000, DATE), { message: /under way/ });
  use.leave();
  assert.equal(ring.enter(key, 5000, DATE).name, 'anna');
  ring.replace([], 0);
  assert.throws(() => ring.enter(key, 9000, DATE), { code: 'KEY_REFUSED' });
});

test('a key file that is none is refused with its place, and without its secrets', () => {
  const { record } = makeKey('ann');
  const refused = (text: string, message: RegExp) =>
    assert.throws(() => readKeys(text), { code: 'SERVER_CONFIG_INVALID', message });
  refused('{', /no JSON/);
  refused('{}', /at keys/);
  refused(JSON.stringify({ keys: [{ ...record, hash: 'abc' }] }), /keys\.0\.hash/);
  refused(JSON.stringify({ keys: [{ ...record, concurrent: 0 }] }), /keys\.0\.concurrent/);
  refused(JSON.stringify({ keys: [{ ...record, secret: 'mine' }] }), /keys\.0/);
  refused(JSON.stringify({ keys: [record, record] }), /twice/);
  assert.throws(() => makeKey(''), { code: 'SERVER_CONFIG_INVALID' });
});

test('a key comes as a bearer or in its own header', () => {
  assert.equal(credentialOf('Bearer abc', undefined), 'abc');
  assert.equal(credentialOf('bearer  abc ', 'x'), 'abc');
  assert.equal(credentialOf('Basic abc', 'x'), undefined);
  assert.equal(credentialOf('Bearer a b', undefined), undefined);
  assert.equal(credentialOf(undefined, 'x'), 'x');
  assert.equal(credentialOf(undefined, undefined), undefined);
});
