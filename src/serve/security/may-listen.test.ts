import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertMayListen, isLoopback } from './may-listen.ts';

const NOTHING = { keys: false, mutualTls: false, open: false };

test('loopback is told from the rest', () => {
  for (const host of [
    '127.0.0.1',
    '127.8.9.1',
    '::1',
    '[::1]',
    'localhost',
    'LOCALHOST',
    '::ffff:127.0.0.1',
  ]) {
    assert.equal(isLoopback(host), true, host);
    assertMayListen(host, NOTHING);
  }
  const others = [
    '0.0.0.0',
    '::',
    '',
    '10.0.0.1',
    '127.0.0.1.example.com',
    'localhost.example.com',
    '128.0.0.1',
  ];
  for (const host of others) {
    assert.equal(isLoopback(host), false, host);
    assert.throws(() => assertMayListen(host, NOTHING), { code: 'SERVER_CONFIG_INVALID' });
  }
});

test('one guard is enough', () => {
  for (const guard of ['keys', 'mutualTls', 'open'] as const) {
    assertMayListen('0.0.0.0', { ...NOTHING, [guard]: true });
  }
});
