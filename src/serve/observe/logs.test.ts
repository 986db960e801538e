import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Happened } from '../ports.ts';
import { type LogOptions, Logs } from './logs.ts';

function logged(options: LogOptions = {}, random: () => number = Math.random) {
  const lines: Record<string, unknown>[] = [];
  const time = { second: 0 };
  const logs = new Logs(
    { ...options, to: { write: (line) => lines.push(JSON.parse(line)) } },
    () => time.second,
    random,
  );
  return { logs, lines, time };
}

const ANSWERED: Happened = {
  protocol: 'rest',
  model: 'digits',
  version: '',
  key: 'shop',
  status: 200,
  totalMs: 10.12345,
  bytesIn: 100,
  bytesOut: 50,
  meter: { version: '3', queueMs: 2, computeMs: 6, cpuSeconds: 0.004, batch: 4, samples: 2, exit: 1 },
  id: 'a',
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  startedAt: 0,
};
const REFUSED: Happened = { ...ANSWERED, status: 503, code: 'OVERLOADED', meter: undefined };

test('by default only requests without an answer are lines', () => {
  const { logs, lines } = logged();
  logs.request(ANSWERED);
  logs.request(REFUSED);
  assert.equal(lines.length, 1);
  assert.deepEqual(
    [lines[0]?.level, lines[0]?.code, lines[0]?.keyName, lines[0]?.traceId],
    ['warn', 'OVERLOADED', 'shop', '0af7651916cd43dd8448eb211c80319c'],
  );
});

test('a line has what the request has cost; of all requests a share can be taken', () => {
  let turn = 0;
  const { logs, lines } = logged({ requests: 'all', sample: 0.25 }, () => (turn++ % 4) / 4);
  for (let i = 0; i < 40; i++) logs.request(ANSWERED);
  assert.equal(lines.length, 10);
  const { ms, version, batch, exit, cpuSeconds, level } = lines[0]!;
  assert.deepEqual([ms, version, batch, exit, cpuSeconds, level], [10.123, '3', 4, 1, 0.004, 'info']);
});

test('a flood of refusals is ten lines a second, and one that says how many were left out', () => {
  const { logs, lines, time } = logged();
  for (let i = 0; i < 5000; i++) logs.request(REFUSED);
  logs.request({ ...REFUSED, status: 500, code: 'RUNTIME_FAILED' });
  assert.equal(lines.length, 11);
  time.second = 1;
  logs.request(REFUSED);
  assert.equal(lines.length, 13);
  assert.deepEqual([lines[11]?.code, lines[11]?.left], ['OVERLOADED', 4990]);
});

test('keys never reach the log, whoever logs', () => {
  const { logs, lines } = logged({ level: 'debug' });
  const secret = 'mk_secret';
  logs.logger.info(
    { headers: { authorization: `Bearer ${secret}`, 'x-api-key': secret, accept: '*/*' } },
    'one',
  );
  logs.logger.debug({ req: { headers: { authorization: secret } }, key: secret }, 'two');
  const text = JSON.stringify(lines);
  assert.ok(!text.includes(secret), text);
  assert.ok(text.includes('*/*'));
});

test('what the client chose is cut, silence is silent', () => {
  const { logs, lines } = logged();
  logs.request({ ...REFUSED, model: 'm'.repeat(100_000), id: 'i'.repeat(100_000) });
  assert.ok(JSON.stringify(lines[0]).length < 2000);
  const none = logged({ level: 'silent' });
  none.logs.request(REFUSED);
  none.logs.event('worker-died', {});
  assert.equal(none.lines.length, 0);
});
