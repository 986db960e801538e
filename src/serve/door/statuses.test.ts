import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fail } from '../../base/index.ts';
import { refusalOf } from './statuses.ts';

test('what fails inside is told without its particulars', () => {
  const { http, code, message, ours } = refusalOf(new TypeError('x is not a function at /home/me/secret.ts'));
  assert.deepEqual([http, code, ours], [500, 'INTERNAL', true]);
  assert.doesNotMatch(message, /secret|function/);
  assert.equal(refusalOf('text').code, 'INTERNAL');
  assert.equal(refusalOf(undefined).code, 'INTERNAL');
});

test('paths are cut out of what the runtime says; what the client sent comes back as it is', () => {
  const said =
    'Non-zero status code: /onnxruntime_src/onnxruntime/core/gather.cc:12 indices element out of data bounds';
  const failed = refusalOf(fail('RUNTIME_FAILED', said)).message;
  assert.doesNotMatch(failed, /onnxruntime_src/);
  assert.match(failed, /out of data bounds/);
  const { message, ours } = refusalOf(fail('MODEL_UNKNOWN', '"a/b/c"'));
  assert.match(message, /a\/b\/c/);
  assert.equal(ours, false);
});

test('retry-after stands with what may pass by itself', () => {
  assert.equal(refusalOf(fail('OVERLOADED', 'x', { retryAfterMs: 20 })).retryAfterMs, 20);
  assert.equal(refusalOf(fail('SERVER_CLOSING', 'x')).retryAfterMs, 1000);
  const early = refusalOf(fail('DEADLINE_MISSED', 'x', { retryAfterMs: 20 }));
  assert.deepEqual([early.http, early.grpc, early.retryAfterMs], [503, 14, 20]);
  assert.equal(refusalOf(fail('DEADLINE_MISSED', 'x')).http, 504);
  assert.equal(refusalOf(fail('OVERLOADED', 'x', { retryAfterMs: Number.NaN })).retryAfterMs, 1000);
  assert.equal(refusalOf(fail('REQUEST_INVALID', 'x')).retryAfterMs, undefined);
  assert.equal(refusalOf(fail('REQUEST_INVALID', 'x', { status: 415 })).http, 415);
  assert.equal(refusalOf(fail('FEED_MISMATCH', 'x', { status: 200 })).http, 400);
});
